package show

import (
	"io"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// NewJSON returns a Writer of one JSON object a line: the flow record as package flow
// has it, and the country and AS of both sides.
func NewJSON(w io.Writer) Writer { return &jsonWriter{w: w} }

type jsonWriter struct {
	w io.Writer
	b []byte
}

// Flow is part of Writer.
func (j *jsonWriter) Flow(f *query.Found) error {
	j.b = append(AppendJSON(j.b[:0], f), '\n')
	_, err := j.w.Write(j.b)
	return err
}

// Close is part of Writer.
func (j *jsonWriter) Close() error { return nil }

// AppendJSON appends a flow as a JSON object.
func AppendJSON(b []byte, f *query.Found) []byte {
	b = f.AppendJSON(b)
	b = append(b[:len(b)-1], `,"scc":"`...)
	b = append(append(b, f.SrcCC...), `","dcc":"`...)
	b = append(append(b, f.DstCC...), '"')
	if f.Has&flow.HasSrcAS == 0 && f.SrcAS != 0 {
		b = strconv.AppendUint(append(b, `,"sas":`...), uint64(f.SrcAS), 10)
	}
	if f.Has&flow.HasDstAS == 0 && f.DstAS != 0 {
		b = strconv.AppendUint(append(b, `,"das":`...), uint64(f.DstAS), 10)
	}
	return append(b, '}')
}

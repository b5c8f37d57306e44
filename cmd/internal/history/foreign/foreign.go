// Package foreign reads flows that others kept, for a history that begins before
// flowhound came: captures of NetFlow and IPFIX datagrams, and what nfdump and SiLK's
// rwcut print. It gives records in batches and writes nothing itself.
package foreign

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/cmd/internal/flow/printed"
)

// BatchRecords is how many records a batch has at most.
const BatchRecords = 4096

// Result says what a file held.
type Result struct {
	Format  string
	Records uint64
	// Bad is how many lines, or datagrams, could not be read, and Why what the first of
	// them lack.
	Bad         uint64
	Why         []string
	First, Last time.Time // of the flows; zero: there are none
}

// maxWhy is how many bad lines are told in full.
const maxWhy = 3

// Read reads one file and gives its records to each, whose error ends the reading. What
// each is given is valid during the call. Several captures are read by one Reader, so
// that templates of the first serve the next.
func (r *Reader) Read(ctx context.Context, in io.Reader, each func([]flow.Record) error) (Result, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return Result{}, err
	}
	b := &batch{each: each, ctx: ctx}
	if isCapture(head) {
		err = r.capture(buffered, b)
	} else {
		err = r.text(buffered, b)
	}
	return b.result, errors.Join(err, b.flush())
}

// isCapture reports whether a file begins as a capture does, plain, gzip or zstd.
func isCapture(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	switch string(head) {
	case "\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a", "\x28\xb5\x2f\xfd":
		return true
	}
	return head[0] == 0x1f && head[1] == 0x8b
}

// Reader reads files one after the other. It is for one goroutine.
type Reader struct {
	options printed.Options
	decoder *netflow.Decoder
	flows   flow.Batch
}

// NewReader returns a Reader; options are for texts.
func NewReader(options printed.Options) *Reader {
	return &Reader{options: options, decoder: netflow.NewDecoder(netflow.Options{})}
}

// capture reads the datagrams of a capture. What has no NetFlow in it is left out.
func (r *Reader) capture(in io.Reader, b *batch) error {
	b.result.Format = "capture"
	reader, err := pcap.NewReader(in)
	if err != nil {
		return err
	}
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r.flows.Reset()
		if err := r.decoder.Decode(p.Payload, p.Src, p.Time.UnixNano(), &r.flows); err != nil {
			b.bad(fmt.Errorf("the datagram of %s from %s: %w", p.Time.UTC().Format(time.RFC3339), p.Src, err))
		}
		for i := range r.flows.Records {
			if err := b.add(&r.flows.Records[i]); err != nil {
				return err
			}
		}
	}
}

func (r *Reader) text(in io.Reader, b *batch) error {
	text, err := printed.NewReader(in, r.options)
	if err != nil {
		if errors.Is(err, printed.ErrFormat) {
			err = fmt.Errorf("it is not a capture, and %w", err)
		}
		return err
	}
	b.result.Format = text.Format()
	for {
		var f flow.Record
		var line *printed.LineError
		switch err := text.Next(&f); {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &line):
			b.bad(err)
			if err := b.ctx.Err(); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if err := b.add(&f); err != nil {
				return err
			}
		}
	}
}

// batch gathers records and hands them on.
type batch struct {
	ctx     context.Context //nolint:containedctx // of the one call that it lives for
	each    func([]flow.Record) error
	records []flow.Record
	result  Result
}

func (b *batch) add(f *flow.Record) error {
	start, end := time.Unix(0, f.Received), time.Unix(0, f.Received)
	if f.Has&flow.HasStart != 0 {
		start = time.Unix(0, f.Start)
	}
	if f.Has&flow.HasEnd != 0 {
		end = time.Unix(0, f.End)
	}
	if b.result.First.IsZero() || start.Before(b.result.First) {
		b.result.First = start
	}
	if end.After(b.result.Last) {
		b.result.Last = end
	}
	if b.records = append(b.records, *f); len(b.records) >= BatchRecords {
		return b.flush()
	}
	return nil
}

func (b *batch) flush() error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if len(b.records) == 0 {
		return nil
	}
	err := b.each(b.records)
	if err == nil {
		b.result.Records += uint64(len(b.records)) // none is told that could not be kept
	}
	b.records = b.records[:0]
	return err
}

func (b *batch) bad(why error) {
	if b.result.Bad++; len(b.result.Why) < maxWhy {
		b.result.Why = append(b.result.Why, why.Error())
	}
}

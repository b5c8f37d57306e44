package query

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// Conversation is a row of the history: a record and, if there was one, that of the
// opposite direction.
type Conversation struct {
	Record
	Answer   Record
	Answered bool
}

// Both returns one record of both directions: that of the conversation with the
// counters and flags of the answer as its reverse ones.
func (c *Conversation) Both() Record {
	r := c.Record
	if c.Answered {
		r.RevBytes, r.RevPackets, r.RevTCPFlags = c.Answer.Bytes, c.Answer.Packets, c.Answer.TCPFlags
		r.Has |= flow.HasReverse
		if c.Answer.Has&flow.HasTCPFlags != 0 {
			r.Has |= flow.HasRevTCPFlags
		}
	}
	return r
}

// materialise appends what the rows of sel hold: chunk of them, or what is left.
func (g *group) materialise(sel []int32, rows []column.Row, out []Conversation, only ...column.ID) ([]column.Row, []Conversation) {
	rows, err := g.file.RowsOf(g.at, sel, rows[:0], func(id column.ID) (*column.Column, error) {
		if len(sel) == chunk { // more may follow
			return g.begun(id), nil
		}
		return g.once(id, len(sel)), nil
	}, only...)
	if err != nil {
		panic(failure{err})
	}
	file := g.file
	if !column.Wants(only, column.ReceivedNth) {
		file = nil // nobody asks when it arrived
	}
	out = slices.Grow(out, len(rows))
	for i := range rows {
		out = append(out, conversation(&rows[i], file))
	}
	return rows, out
}

// conversation reads a row of a file, nil as for AppendRecords. It changes row.
func conversation(row *column.Row, file *column.File) Conversation {
	if has := flow.Fields(row.Has); row.RevHas == 0 && has&flow.HasReverse != 0 && row.RevBytes|row.RevPackets != 0 {
		row.RevHas, row.RevToS = int64(answerHas(has)), 0 // as if the answer had come as a record of its own
		row.Has = int64(has &^ (flow.HasReverse | flow.HasRevTCPFlags))
	}
	var pair [2]flow.Record
	records := row.AppendRecords(pair[:0], file)
	c := Conversation{Record: Record{Record: records[0], SrcCC: countryName([]byte(row.SrcCC)), DstCC: countryName([]byte(row.DstCC)), SrcAS: uint32(row.SrcAS), DstAS: uint32(row.DstAS)}}
	if len(records) == 2 {
		c.Answered = true
		c.Answer = Record{Record: records[1], SrcCC: c.DstCC, DstCC: c.SrcCC, SrcAS: c.DstAS, DstAS: c.SrcAS}
	}
	return c
}

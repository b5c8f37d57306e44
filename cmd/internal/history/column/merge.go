package column

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// MergeRows is how many rows Merge takes at most: it needs 60 bytes a row.
	MergeRows = 1_200_000
	// mergeGroups is how many row groups are written side by side: each has the
	// dictionaries of all its columns in memory, and every column is read once for
	// each so many groups.
	mergeGroups = 3
)

// Merge writes the rows of several files as one, sorted as a whole: a third smaller
// than the files of a few minutes. It goes column by column, as rows would take 1 kB
// each, and changes no row.
func Merge(ctx context.Context, to io.Writer, files []*File, o Options) (Info, error) {
	m := &merge{files: files}
	info := Info{}
	for i, f := range files {
		if i == 0 {
			info = f.Info
			info.Rows, info.Flows = 0, 0
		}
		info.Rows += f.Info.Rows
		info.Flows += f.Flows
		info.Start, info.End = min(info.Start, f.Start), max(info.End, f.End)
		info.First, info.Last = min(info.First, f.First), max(info.Last, f.Last)
		m.arrivals = append(m.arrivals, f.arrivals...)
	}
	if info.Rows == 0 || info.Rows > MergeRows {
		return Info{}, fmt.Errorf("%d rows cannot be merged, the limit is %d", info.Rows, MergeRows)
	}
	slices.Sort(m.arrivals)
	m.arrivals = slices.Compact(m.arrivals)
	if err := m.order(int(info.Rows)); err != nil {
		return Info{}, err
	}
	if err := m.received(); err != nil {
		return Info{}, err
	}
	out := newOutput(to, o)
	var err error
	if info.Groups, err = m.write(ctx, out); err != nil {
		return Info{}, err
	}
	return out.close(info, m.arrivals)
}

type merge struct {
	files    []*File
	arrivals arrivals
	sorter   sorter
	place    []int32 // in the inputs, of each row of the output
	nth      []int32 // ReceivedNth of each row of the inputs
	rev      []int32 // and RevReceived
	values   []int64 // a column of the inputs: numbers, or places in sorter.addresses
	column   Column
	ids      []int32
	out      []parquet.Value
}

// each calls do with one column of all row groups of the inputs.
func (m *merge) each(id ID, do func(first int, c *Column) error) error {
	first := 0
	for _, f := range m.files {
		for g := range f.Groups {
			if err := f.Column(g, id, &m.column); err != nil {
				return err
			}
			if err := do(first, &m.column); err != nil {
				return err
			}
			first += f.GroupLen(g)
		}
	}
	return nil
}

// order finds the order of the output.
func (m *merge) order(n int) error {
	s := &m.sorter
	size := 64
	for size < 4*n {
		size <<= 1
	}
	s.hash = make([]int32, min(size, 1<<22))
	s.ids = make([][2]int32, n)
	for i, id := range []ID{Src, Dst} {
		err := m.each(id, func(first int, c *Column) error {
			m.addresses(c)
			for row, at := range c.Index {
				s.ids[first+row][i] = m.ids[at]
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.rankAddresses()
	s.keys, s.tmp = make([]keyed, n), make([]keyed, n)
	err := m.each(DstPort, func(first int, c *Column) error {
		for row := range c.Index {
			ids := s.ids[first+row]
			s.keys[first+row] = keyed{uint64(s.rank[ids[0]])<<40 | uint64(s.rank[ids[1]])<<16 | uint64(uint16(c.Value(row))), int32(first + row)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.radix()
	m.place = make([]int32, n)
	for i, k := range s.keys {
		m.place[i] = k.at
	}
	s.ids, s.keys, s.tmp = nil, nil, nil
	return nil
}

// addresses makes ids the places of a dictionary's addresses in the sorter's list.
func (m *merge) addresses(c *Column) {
	if len(m.sorter.addresses)*2 > len(m.sorter.hash) {
		m.sorter.rehash()
	}
	n := len(c.Bytes) / 16
	m.ids = grow(m.ids, n)
	for i := range n {
		m.ids[i] = m.sorter.id(flow.AddrFrom16(c.Bytes[16*i:]))
	}
}

// rehash makes the table of addresses larger.
func (s *sorter) rehash() {
	s.hash = make([]int32, 4*len(s.hash))
	mask := uint64(len(s.hash) - 1)
	for i, a := range s.addresses {
		p := mix(a.Hi, a.Lo) & mask
		for s.hash[p] != 0 {
			p = (p + 1) & mask
		}
		s.hash[p] = int32(i + 1)
	}
}

// received finds what the times of arrival are in the output, where other arrivals
// stand between those of a file.
func (m *merge) received() error {
	n := len(m.place)
	m.nth, m.rev = make([]int32, n), make([]int32, n)
	first := 0
	var c [7]Column
	for _, f := range m.files {
		for g := range f.Groups {
			for i, id := range []ID{Start, StartNS, Dur, DurNS, ReceivedLag, ReceivedNth, RevReceived} {
				if err := f.Column(g, id, &c[i]); err != nil {
					return err
				}
			}
			for row := range f.GroupLen(g) {
				r := Row{Start: c[0].Value(row), StartNS: c[1].Value(row), Dur: int32(c[2].Value(row)), DurNS: c[3].Value(row)}
				_, last := r.times()
				at := f.arrivals.at(floor(last, 1e9)+c[4].Value(row), int32(c[5].Value(row)))
				m.nth[first+row] = m.arrivals.nth(at)
				if step := int32(c[6].Value(row)); step != 0 {
					m.rev[first+row] = m.arrivals.rank(f.arrivals.after(at, step)) - m.arrivals.rank(at)
				}
			}
			first += f.GroupLen(g)
		}
	}
	return nil
}

// write writes the output, mergeGroups row groups at a time.
func (m *merge) write(ctx context.Context, out *output) (groups int, err error) {
	m.values = make([]int64, len(m.place))
	for rest := m.place; len(rest) > 0; {
		var sizes []int
		total := 0
		for len(sizes) < mergeGroups && total < len(rest) {
			sizes = append(sizes, groupAt(len(rest)-total))
			total += sizes[len(sizes)-1]
		}
		if err := m.writeGroups(ctx, out, rest[:total], sizes); err != nil {
			return 0, err
		}
		groups += len(sizes)
		rest = rest[total:]
	}
	return groups, nil
}

func (m *merge) writeGroups(ctx context.Context, out *output, rows []int32, sizes []int) error {
	writers := make([]*parquet.ConcurrentRowGroupWriter, len(sizes))
	for i := range writers {
		writers[i] = out.file.BeginRowGroup()
	}
	for id := range Columns {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.load(id); err != nil {
			return err
		}
		rest := rows
		for i, w := range writers {
			if err := m.writeColumn(w.ColumnWriters()[id], id, rest[:sizes[i]]); err != nil {
				return err
			}
			rest = rest[sizes[i]:]
		}
	}
	for _, w := range writers {
		for _, c := range w.ColumnWriters() {
			if err := c.Close(); err != nil {
				return err
			}
		}
		if _, err := w.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// load reads a column of all inputs into values.
func (m *merge) load(id ID) error {
	switch id {
	case ReceivedNth:
		for i, v := range m.nth {
			m.values[i] = int64(v)
		}
		return nil
	case RevReceived:
		for i, v := range m.rev {
			m.values[i] = int64(v)
		}
		return nil
	}
	return m.each(id, func(first int, c *Column) error {
		values := m.values[first:]
		switch id.Kind() {
		case Address:
			m.addresses(c)
			for row, at := range c.Index {
				values[row] = int64(m.ids[at])
			}
		case Country:
			for row, at := range c.Index {
				cc := c.Country(at)
				values[row] = int64(cc[0])<<8 | int64(cc[1])
			}
		default:
			c.numbers(values)
		}
		return nil
	})
}

// numbers copies the value of each row.
func (c *Column) numbers(to []int64) {
	switch {
	case c.Index == nil && c.Int64 != nil:
		copy(to, c.Int64)
	case c.Index == nil:
		for row, v := range c.Int32 {
			to[row] = int64(v)
		}
	case c.Int64 != nil:
		for row, at := range c.Index {
			to[row] = c.Int64[at]
		}
	default:
		for row, at := range c.Index {
			to[row] = int64(c.Int32[at])
		}
	}
}

const valuesAtOnce = 4096

func (m *merge) writeColumn(w *parquet.ColumnWriter, id ID, rows []int32) error {
	m.out = grow(m.out, valuesAtOnce)
	for len(rows) > 0 {
		n := min(len(rows), valuesAtOnce)
		out := m.out[:n]
		for i, row := range rows[:n] {
			out[i] = m.value(id, m.values[row])
		}
		if _, err := w.WriteRowValues(out); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (m *merge) value(id ID, v int64) parquet.Value {
	switch id.Kind() {
	case Int32:
		return parquet.Int32Value(int32(v))
	case Int64:
		return parquet.Int64Value(v)
	case Address:
		b := Key(m.sorter.addresses[v])
		return parquet.FixedLenByteArrayValue(b[:])
	}
	cc := country([2]byte{byte(v >> 8), byte(v)})
	return parquet.ByteArrayValue([]byte(cc))
}

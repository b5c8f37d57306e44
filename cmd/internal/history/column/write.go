package column

import (
	"fmt"
	"io"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// GroupRows is how many rows a row group has; the last of a file up to half as
	// many more, or fewer.
	GroupRows = 65536
	// PartRecords is how many records a part holds at most.
	PartRecords = 262144
	batchRows   = 64 // rows that are made at once: 20 kB, which stay in the nearest cache
)

// Level is how hard the writer compresses.
type Level uint8

// The levels: of zstd. Better takes 14% less room and twice the time.
const (
	Fastest Level = iota
	Better
)

// Options of a file.
type Options struct {
	Level    Level
	Places   Places            // nil: no country and no AS but the exporter's
	Metadata map[string]string // what else stands in the file's metadata
}

// Info is what a file holds.
type Info struct {
	Size   int64 `json:"size"` // bytes of the file
	Rows   int64 `json:"rows"`
	Flows  int64 `json:"flows"` // records: Flows-Rows rows hold both directions
	Groups int   `json:"groups"`
	// Start and End span the flows, First and Last the arrivals: Unix nanoseconds,
	// Start and End by Times.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Names of what stands in a file's metadata.
const (
	metaVersion  = "flowhound.version"
	metaSums     = "flowhound.sums"
	metaArrivals = "flowhound.arrivals" // the list itself, in files of earlier versions
	metaArrived  = "flowhound.arrived"  // where the list stands, in others: offset and length
	metaTimes    = "flowhound.times"    // where the list stands: offset, length, and the length of its directory, which follows
	metaLengths  = "flowhound.lengths"  // where the lengths of pages stand: offset and length
	metaInfo     = "flowhound.info"
	version      = "1"
)

// Writer writes files of records. It keeps its memory from file to file, up to 60 MB
// with 262,144 records, and is for one goroutine.
type Writer struct {
	stitcher stitcher
	sorter   sorter
	arrivals arrivals
	rank     []int32 // of each record's arrival
	nth      []int32 // and its place in its second
	received []int64 // when each record arrived
	columns  [Columns]gathered
	encoder  *encoder
	level    Level // it compresses with
	touched  uint64
}

// Write writes records as one file to w: paired, sorted and in row groups. It changes
// nothing in records.
func (w *Writer) Write(to io.Writer, records []flow.Record, o Options) (Info, error) {
	if len(records) == 0 || len(records) > maxSorted {
		return Info{}, fmt.Errorf("a file holds 1 to %d records, not %d", maxSorted, len(records))
	}
	pairs, info := w.pair(records)
	if w.encoder == nil || w.level != o.Level {
		w.encoder, w.level = newEncoder(o.Level), o.Level
	}
	out, err := newOutput(to, o)
	if err != nil {
		return Info{}, err
	}
	for i := 0; i < len(pairs); {
		n := groupAt(len(pairs) - i)
		if err := w.group(out, records, pairs[i:i+n], o.Places); err != nil {
			return Info{}, err
		}
		i += n
		info.Groups++
	}
	return out.close(info, w.arrivals)
}

// pair puts records into rows, and these in order. It reads each record once: they lie in
// no cache.
func (w *Writer) pair(records []flow.Record) ([]pair, Info) {
	w.received = grow(w.received, len(records))
	w.stitcher.begin(len(records))
	w.sorter.begin(len(records))
	info := Info{Flows: int64(len(records))}
	info.Start, info.End = Times(&records[0])
	for i := range records {
		f := &records[i]
		w.received[i] = f.Received
		start, end := Times(f)
		info.Start, info.End = min(info.Start, start), max(info.End, end, start)
		if row := w.stitcher.add(records, int32(i)); row >= 0 {
			w.sorter.note(row, f)
		}
	}
	pairs := w.stitcher.pairs
	w.sorter.sort(pairs)
	w.arrivals = w.arrivals.collect(w.received)
	w.rank, w.nth = grow(w.rank, len(records)), grow(w.nth, len(records))
	w.arrivals.places(w.received, w.rank, w.nth)
	info.Rows, info.First, info.Last = int64(len(pairs)), w.arrivals[0], w.arrivals[len(w.arrivals)-1]
	return pairs, info
}

// group writes the rows of a row group.
func (w *Writer) group(out *output, records []flow.Record, pairs []pair, places Places) error {
	for id := range w.columns {
		w.columns[id].reset(len(pairs))
	}
	var rows [batchRows]Row
	for rest := pairs; len(rest) > 0; {
		n := min(batchRows, len(rest))
		w.touch(records, rest[:n])
		for j, q := range rest[:n] {
			var reverse *flow.Record
			step := int32(0)
			if q.r >= 0 {
				reverse, step = &records[q.r], w.rank[q.r]-w.rank[q.f]
			}
			fill(&rows[j], &records[q.f], reverse, w.nth[q.f], step, places)
		}
		for id := range w.columns {
			w.columns[id].add(rows[:n], &specs[id])
		}
		rest = rest[n:]
	}
	out.begin(len(pairs))
	for id := range w.columns {
		var made chunk
		var err error
		if c := &w.columns[id]; ID(id).Dict() {
			made, err = w.encoder.dictionary(ID(id), &c.dict, c.places, len(pairs))
		} else {
			made, err = w.encoder.plain(ID(id), c.values)
		}
		if err == nil {
			err = out.add(made)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// touch reads a word of each cache line of the records of some rows. They lie in no cache
// and in no order: many reads that wait for memory at once take less time than one after
// the other.
func (w *Writer) touch(records []flow.Record, pairs []pair) {
	sum := w.touched
	for _, p := range pairs {
		f := &records[p.f]
		sum += f.Src.Hi + f.Exporter.Hi + f.RevPackets
		if p.r >= 0 {
			r := &records[p.r]
			sum += r.Exporter.Hi + r.RevPackets
		}
	}
	w.touched = sum
}

// groupAt returns how many of the rows that are left make the next row group.
func groupAt(left int) int {
	if left < GroupRows+GroupRows/2 {
		return left
	}
	return GroupRows
}

func (i *Info) text() string {
	b := []byte{}
	for _, v := range []int64{i.Rows, i.Flows, i.Start, i.End, i.First, i.Last} {
		b = append(strconv.AppendInt(b, v, 10), ' ')
	}
	return string(b[:len(b)-1])
}

func (i *Info) parse(s string) error {
	if _, err := fmt.Sscan(s, &i.Rows, &i.Flows, &i.Start, &i.End, &i.First, &i.Last); err != nil {
		return fmt.Errorf("%w: its metadata does not say what it holds", ErrDamaged)
	}
	return nil
}

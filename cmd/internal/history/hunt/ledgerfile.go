package hunt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// ledgerMagic begins the file of a ledger; its number is that of the format.
const ledgerMagic = "flowhound-hunted 1\n"

var (
	errLedger  = errors.New("it is damaged")
	errVersion = errors.New("it is of another version")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// readLedger reads the ledger at path; one that does not exist is empty, and fresh.
func readLedger(path string) (l ledger, fresh bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ledger{}, true, nil
	}
	if err == nil {
		err = l.decode(b)
	}
	return l, false, err
}

// write replaces the file at path.
func (l *ledger) write(path string) error { return file.Replace(path, l.encode(), 0o600) }

// encode makes: magic, CRC-32C of the rest, number of the next task, the pairs of times
// that occur, the segments, the tasks. An address of IPv4 takes 5 bytes and a byte or
// two for its times: a million indicators are 7 MB.
func (l *ledger) encode() []byte {
	e := encoder{b: append(make([]byte, 0, 64+8*len(l.segments)), ledgerMagic+"\x00\x00\x00\x00"...)}
	e.number(l.next)
	type times struct{ since, until int64 }
	index := map[times]uint64{}
	var distinct []times
	for _, g := range l.segments {
		k := times{g.Since, g.Until}
		if _, ok := index[k]; !ok {
			index[k] = uint64(len(distinct))
			distinct = append(distinct, k)
		}
	}
	e.number(uint64(len(distinct)))
	for _, k := range distinct {
		e.number(uint64(k.since))
		e.number(uint64(k.until))
	}
	e.number(uint64(len(l.segments)))
	for _, g := range l.segments {
		e.span(g.Range)
		e.number(index[times{g.Since, g.Until}])
	}
	e.number(uint64(len(l.pending)))
	for _, t := range l.pending {
		e.number(t.ID)
		e.number(uint64(t.To))
		e.number(uint64(len(t.Spans)))
		for _, s := range t.Spans {
			e.span(s.Range)
			e.number(uint64(s.From))
		}
	}
	seal(e.b)
	return e.b
}

// seal puts the checksum of what follows behind the magic.
func seal(b []byte) {
	le.PutUint32(b[len(ledgerMagic):], crc32.Checksum(b[len(ledgerMagic)+4:], castagnoli))
}

// decode is the inverse of encode. After an error the ledger is empty.
func (l *ledger) decode(b []byte) error {
	*l = ledger{}
	head := len(ledgerMagic) + 4
	if len(b) < head || string(b[:len(ledgerMagic)]) != ledgerMagic {
		if len(b) > 10 && string(b[:10]) == ledgerMagic[:10] {
			return errVersion
		}
		return errLedger
	}
	if crc32.Checksum(b[head:], castagnoli) != le.Uint32(b[head-4:]) {
		return errLedger
	}
	d := decoder{bounded.Reader{B: b[head:]}}
	l.next = d.Uvarint()
	times := make([][2]int64, d.count(2))
	for i := range times {
		times[i] = [2]int64{int64(d.Uvarint()), int64(d.Uvarint())}
	}
	l.segments = make([]segment, d.count(6))
	for i := range l.segments {
		l.segments[i].Range = d.span()
		if at := d.Uvarint(); at < uint64(len(times)) {
			l.segments[i].Since, l.segments[i].Until = times[at][0], times[at][1]
		} else {
			d.Bad = true
		}
	}
	l.pending = make([]Task, d.count(3))
	for i := range l.pending {
		t := &l.pending[i]
		t.ID, t.To = d.Uvarint(), int64(d.Uvarint())
		t.Spans = make([]Span, d.count(6))
		for n := range t.Spans {
			t.Spans[n] = Span{d.span(), int64(d.Uvarint())}
		}
	}
	if d.Bad || len(d.B) > 0 {
		*l = ledger{}
		return errLedger
	}
	return nil
}

// The ways in which a range is written.
const (
	one4   = iota // an address of IPv4
	range4        // a range of IPv4
	range6        // any other
)

type encoder struct{ b []byte }

func (e *encoder) number(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) span(r flow.Range) {
	switch {
	case r.First.Is4() && r.First == r.Last:
		e.b = le.AppendUint32(append(e.b, one4), r.First.V4())
	case r.First.Is4() && r.Last.Is4():
		e.b = le.AppendUint32(le.AppendUint32(append(e.b, range4), r.First.V4()), r.Last.V4())
	default:
		e.b = append(e.b, range6)
		for _, half := range [...]uint64{r.First.Hi, r.First.Lo, r.Last.Hi, r.Last.Lo} {
			e.b = le.AppendUint64(e.b, half)
		}
	}
}

// decoder reads what was written.
type decoder struct{ bounded.Reader }

// count reads how many of least so many bytes follow, so that no file asks for more
// memory than it is worth.
func (d *decoder) count(size int) int {
	n := d.Uvarint()
	if n > uint64(len(d.B)/size) {
		d.Fail()
		return 0
	}
	return int(n)
}

// take returns the next n bytes; zeros where there are not so many.
func (d *decoder) take(n int) []byte {
	if b := d.Take(uint64(n)); b != nil {
		return b
	}
	return make([]byte, n)
}

func (d *decoder) span() (r flow.Range) {
	switch d.take(1)[0] {
	case one4:
		r.First = flow.Addr4(le.Uint32(d.take(4)))
		r.Last = r.First
	case range4:
		b := d.take(8)
		r = flow.Range{First: flow.Addr4(le.Uint32(b)), Last: flow.Addr4(le.Uint32(b[4:]))}
	case range6:
		b := d.take(32)
		r = flow.Range{First: flow.Addr{Hi: le.Uint64(b), Lo: le.Uint64(b[8:])}, Last: flow.Addr{Hi: le.Uint64(b[16:]), Lo: le.Uint64(b[24:])}}
	default:
		d.Bad = true
	}
	if r.First.Compare(r.Last) > 0 {
		d.Bad = true
	}
	return r
}

// ListedSince returns the addresses that the agent with this ledger has seen being listed
// since then, and that still are.
func ListedSince(path string, then time.Time) ([]flow.Range, error) {
	l, fresh, err := readLedger(path)
	switch {
	case fresh:
		return nil, fmt.Errorf("%s: no agent has recorded yet when indicators were first listed", path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l.since(then.UnixNano()), nil
}

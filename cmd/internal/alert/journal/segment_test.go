package journal

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// badSector is a file whose bytes from..to cannot be read.
type badSector struct {
	*bytes.Reader
	from, to int64
	reads    int
}

var errSector = errors.New("input/output error")

func (b *badSector) ReadAt(p []byte, at int64) (int, error) {
	b.reads++
	if at < b.to && at+int64(len(p)) > b.from {
		return 0, errSector
	}
	return b.Reader.ReadAt(p, at)
}

func frames(n int) []byte {
	var b []byte
	for seq := range uint64(n) {
		b = appendFrame(b, seq+1, []byte(strings.Repeat("x", 100)))
	}
	return b
}

// A bad sector costs the records that are in it or near, and reading comes to an end
// wherever it is.
func TestBadSector(t *testing.T) {
	t.Parallel()
	b := frames(20_000) // 2.5 MB
	for _, at := range []int64{0, 5000, 1 << 20, int64(len(b)) - 10} {
		in := &badSector{Reader: bytes.NewReader(b), from: at, to: at + 512}
		s := &scanner{in: in, limit: int64(len(b))}
		n, last := 0, uint64(0)
		for {
			seq, _, err := s.mustNext()
			if err != nil {
				break
			}
			if seq <= last {
				t.Fatalf("%d comes after %d", seq, last)
			}
			n, last = n+1, seq
		}
		if lost := 20_000 - n; lost < 1 || lost > 80 || !s.dirty || in.reads > 200 {
			t.Errorf("at %d: %d lost, %d reads", at, lost, in.reads)
		}
	}
	in := &badSector{Reader: bytes.NewReader(b), to: 1 << 40}
	s := &scanner{in: in, limit: int64(len(b))}
	if _, _, err := s.mustNext(); !errors.Is(err, io.EOF) || in.reads > 200 {
		t.Errorf("a disk that is gone: %v after %d reads", err, in.reads)
	}
}

// Whatever bytes stand in a segment: reading ends, and gives the records that are
// whole, which a decoder can take.
func FuzzSegment(f *testing.F) {
	r := numbered(1, "log", "siem")
	if err := r.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, []byte{})
	f.Add(appendFrame(nil, 1, r.payload), []byte("\xf1FH"))
	f.Add(frames(2)[5:], r.payload)
	f.Add([]byte("\xf1F\xf1FHJ"), []byte{isStatus, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{', '}'})
	long := Record{Status: r.Status, Hit: r.Hit, To: []string{strings.Repeat("n", 255)}} // the longest name
	if err := long.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, long.payload)
	f.Fuzz(func(t *testing.T, before, payload []byte) {
		b := appendFrame(slices.Clone(before), 7, payload)
		s := &scanner{in: bytes.NewReader(b), limit: int64(len(b))}
		found := false
		for n := 0; ; n++ {
			seq, p, err := s.next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil || n > len(b) {
				t.Fatal(err, n)
			}
			found = found || seq == 7 && bytes.Equal(p, payload)
			r := &Record{}
			if kind, body, err := r.decode(p); err == nil {
				r.fill(kind, body)
			}
		}
		if !found && len(payload) <= maxPayload && !bytes.Contains(before, magic[:1]) {
			t.Error("a whole record is not found")
		}
	})
}

package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, size int64) *Spool {
	t.Helper()
	s, err := Open(dir, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// put appends n records that tell their number.
func put(t testing.TB, s *Spool, n int) {
	t.Helper()
	for range n {
		seq := s.nextSeq()
		if got, err := s.Append(text(seq), time.Unix(0, int64(seq)), uint32(seq)); err != nil || got != seq {
			t.Fatalf("record %d: %d, %v", seq, got, err)
		}
	}
}

func text(seq uint64) []byte {
	return fmt.Appendf(nil, "record %d %s", seq, strings.Repeat("x", int(seq%100)))
}

// rest reads what there is and checks each record.
func rest(t testing.TB, r *Reader) (seqs []uint64) {
	t.Helper()
	for {
		record, more, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return seqs
		}
		seq := record.Seq
		if !bytes.Equal(record.Payload, text(seq)) || record.Tries != uint32(seq) || record.At.UnixNano() != int64(seq) {
			t.Fatalf("record %d reads as %+v %q", seq, record, record.Payload)
		}
		seqs = append(seqs, seq)
	}
}

// numbers returns the numbers from first to last.
func numbers(first, last uint64) (all []uint64) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func want(t testing.TB, what string, got, want []uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d records %v, want %d", what, len(got), got[:min(len(got), 20)], len(want))
	}
}

// TestAcknowledged: what is not acknowledged comes again after a restart, in order,
// over many segments; what is, does not, and leaves the disk.
func TestAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	r := s.NewReader()
	const n = 20000 // some 3 MB, 8 segments
	put(t, s, n)
	want(t, "at once", rest(t, r), numbers(1, n))
	if err := r.Ack(n / 2); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if got := s.Stats(); got.Depth != n/2 || got.Dropped+got.Broken != 0 {
		t.Errorf("stats %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, dir, 0)
	r = s.NewReader()
	if got := s.Stats(); got.Depth != n/2 || got.Cut != 0 {
		t.Errorf("stats after a restart %+v", got)
	}
	put(t, s, 10)
	want(t, "after a restart", rest(t, r), numbers(n/2+1, n+10))
	if err := r.Ack(n + 10); err != nil {
		t.Fatal(err)
	}
	r.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if got := s.Stats(); got.Depth != 0 || len(files) != 1 || got.Bytes > s.segSize {
		t.Errorf("acknowledged records stay: %+v in %d segments", got, len(files))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, "when all is acknowledged", rest(t, open(t, dir, 0).NewReader()), nil)
}

// TestTornTail cuts the last segment at every place in its last record, as a crash
// does: the records before it are there, and appending goes on behind them.
func TestTornTail(t *testing.T) {
	origin := t.TempDir()
	s := open(t, origin, 0)
	put(t, s, 3)
	path := s.path(1)
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := len(all) - headerSize - len(text(3))
	for cut := last + 1; cut < len(all); cut++ {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), all[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, 0)
		if got := s.Stats(); got.Cut != int64(cut-last) || got.Depth != 2 {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
		put(t, s, 2)
		r := s.NewReader()
		want(t, "after a cut", rest(t, r), numbers(1, 4))
		r.Close()
		if s.Stats().Broken != 0 {
			t.Errorf("cut at %d: %+v", cut, s.Stats())
		}
		_ = s.Close()
	}
}

// TestFlipped flips every byte of a record in the middle: it alone is lost, and
// counted.
func TestFlipped(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	put(t, s, 4)
	_ = s.Close()
	all, err := os.ReadFile(s.path(1))
	if err != nil {
		t.Fatal(err)
	}
	start := headerSize + len(text(1))
	for at := start; at < start+headerSize+len(text(2)); at++ {
		bad := bytes.Clone(all)
		bad[at] ^= 0x10
		if err := os.WriteFile(s.path(1), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir, 0)
		r := again.NewReader()
		want(t, fmt.Sprintf("byte %d flipped", at), rest(t, r), []uint64{1, 3, 4})
		r.Close()
		if got := again.Stats(); got.Broken != 1 || got.Cut != 0 {
			t.Errorf("byte %d flipped: %+v", at, got)
		}
		_ = again.Close()
	}
}

// TestFlippedSegments: a segment that is nonsense, or gone, costs its own records,
// and a cursor that is nonsense costs none.
func TestFlippedSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	put(t, s, 10000)
	second, third, fourth := s.segments[1], s.segments[2], s.segments[3]
	_ = s.Close()
	err := errors.Join(
		os.WriteFile(s.path(second.first), bytes.Repeat([]byte("\xf1FH1 nonsense"), 10000), 0o600),
		os.Remove(s.path(third.first)),
		os.WriteFile(filepath.Join(dir, cursorName), []byte("-3"), 0o600),
		os.WriteFile(filepath.Join(dir, "00000000000000000000.segment"), []byte("no number"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 0)
	r := s.NewReader()
	want(t, "with two segments lost", rest(t, r), append(numbers(1, second.first-1), numbers(fourth.first, 10000)...))
	r.Close()
	if got := s.Stats(); got.Broken != fourth.first-second.first {
		t.Errorf("%+v, want %d broken", got, fourth.first-second.first)
	}
}

// TestRemovedMeanwhile: someone removes a segment under a running spool.
func TestRemovedMeanwhile(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	put(t, s, 10000)
	gone, next := s.segments[1].first, s.segments[2].first
	if err := os.Remove(s.path(gone)); err != nil {
		t.Fatal(err)
	}
	r := s.NewReader()
	defer r.Close()
	want(t, "without a segment", rest(t, r), append(numbers(1, gone-1), numbers(next, 10000)...))
	if got := s.Stats(); got.Broken != next-gone {
		t.Errorf("%+v, want %d broken", got, next-gone)
	}
}

// TestFull: the oldest records make room, and are counted; those that were read
// already are not.
func TestFull(t *testing.T) {
	s := open(t, t.TempDir(), MinSize)
	r := s.NewReader()
	defer r.Close()
	put(t, s, 100)
	want(t, "the first", rest(t, r), numbers(1, 100))
	const n = 60000 // twice what fits
	put(t, s, n-100)
	stats := s.Stats()
	if stats.Bytes > MinSize || stats.Bytes < MinSize*3/4 || stats.Dropped == 0 {
		t.Fatalf("%+v", stats)
	}
	if got := r.Want(); got != stats.Dropped+101 {
		t.Errorf("%d comes next, want %d", got, stats.Dropped+101)
	}
	want(t, "what is left", rest(t, r), numbers(stats.Dropped+101, n))
	if got := s.Stats(); got.Broken != 0 {
		t.Errorf("%+v", got)
	}
}

func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	if _, err := Open(dir, 0); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second owner: %v", err)
	}
	_ = s.Close()
	open(t, dir, 0)
}

// TestTooLong: a record that is too long leaves no trace.
func TestTooLong(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	put(t, s, 1)
	if _, err := s.Append(make([]byte, MaxPayload+1), time.Now(), 0); err == nil {
		t.Error("a record that is too long was taken")
	}
	put(t, s, 1)
	r := s.NewReader()
	defer r.Close()
	want(t, "around a record that is too long", rest(t, r), numbers(1, 2))
	if info, err := os.Stat(s.path(1)); err != nil || info.Size() != s.Stats().Bytes {
		t.Errorf("%d bytes of %d: %v", s.Stats().Bytes, info.Size(), err)
	}
}

// TestDiskFull fills a real file system, and empties it again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("flowhound-test", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED: a small file system of its own needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "spool"), 0)
	defer s.Close()
	written := uint64(0)
	for ; ; written++ {
		seq := s.nextSeq()
		if _, err := s.Append(text(seq), time.Unix(0, int64(seq)), uint32(seq)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
			break
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	put(t, s, 100)
	r := s.NewReader()
	defer r.Close()
	want(t, "around a full disk", rest(t, r), numbers(1, written+100))
	if got := s.Stats(); got.Broken != 0 {
		t.Errorf("%+v", got)
	}
}

// TestWhileReading appends, syncs and reads at once, with a reader that acknowledges.
func TestWhileReading(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	const n = 20000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range n {
			seq := s.nextSeq()
			if _, err := s.Append(text(seq), time.Unix(0, int64(seq)), uint32(seq)); err != nil {
				t.Error(err)
			}
		}
	}()
	synced := make(chan struct{})
	go func() {
		defer close(synced)
		for s.Stats().Depth > 0 || s.nextSeq() <= n {
			if err := s.Sync(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	r := s.NewReader()
	defer r.Close()
	var got []uint64
	for len(got) < n {
		more := rest(t, r)
		if len(more) == 0 {
			runtime.Gosched()
			continue
		}
		got = append(got, more...)
		if err := r.Ack(got[len(got)-1]); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	<-synced
	want(t, "while reading", got, numbers(1, n))
}

// FuzzRead reads a segment of any bytes: whatever they are, records come in order,
// Open and reading end, and what is appended then is read.
func FuzzRead(f *testing.F) {
	var b []byte
	for seq := uint64(1); seq < 4; seq++ {
		b = appendRecord(b, &Record{Seq: seq, At: time.Unix(0, 1), Payload: text(seq)})
	}
	f.Add(b)
	f.Add(b[:len(b)-5])
	f.Add(append([]byte("\xf1FH"), b...))
	f.Add(appendRecord(nil, &Record{Seq: 1<<64 - 1, At: time.Unix(0, 1)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		seq, err := s.Append([]byte("the last"), time.Now(), 7)
		if err != nil {
			t.Fatal(err)
		}
		r := s.NewReader()
		defer r.Close()
		before, last := uint64(0), ""
		for {
			record, more, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
			if record.Seq <= before {
				t.Fatalf("record %d after %d", record.Seq, before)
			}
			before, last = record.Seq, string(record.Payload)
		}
		if before != seq || last != "the last" {
			t.Errorf("the last record is %d %q, want %d", before, last, seq)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir(), 64<<20)
	payload := bytes.Repeat([]byte("x"), 900)
	now := time.Now()
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := s.Append(payload, now, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := open(b, b.TempDir(), 64<<20)
	payload := bytes.Repeat([]byte("x"), 900)
	for range 50000 {
		if _, err := s.Append(payload, time.Now(), 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	r := s.NewReader()
	for b.Loop() {
		_, more, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		if !more {
			r.Close()
			s.taken = s.acked
			r = s.NewReader()
		}
	}
	r.Close()
}

package run

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spooled is a record as earlier versions have written it.
func spooled(t *testing.T, seq int) []byte {
	t.Helper()
	payload, err := (&hit.Hit{ID: fmt.Sprint(seq), Kind: hit.New}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := append([]byte(spoolMagic), 0, 0, 0, 0)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint32(b, uint32(seq%3))
	b = le.AppendUint64(b, uint64(seq))
	b = le.AppendUint64(b, uint64(time.Unix(1800000000, int64(seq)).UnixNano()))
	b = append(b, payload...)
	le.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return b
}

// The spool of an earlier version is moved into the journal: what was not delivered, in
// order, with its age and attempts; what is damaged is counted; dead letters stay.
func TestTakeSpool(t *testing.T) {
	for _, x := range []struct {
		name, cursor string
		first, last  int // of what is moved
		lost         string
	}{
		{"whole", "4\n", 4, 30, ""},
		{"all delivered", "31\n", 31, 30, ""},
		{"no cursor", "", 1, 30, ""},
		{"cursor damaged", "4x\n", 1, 30, ""},
		{"record damaged", "4\n", 4, 30, "1 hits in the spool of an earlier version were damaged and are lost"},
		{"segment gone", "4\n", 21, 30, "17 hits in the spool of an earlier version were damaged and are lost"},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			spool := filepath.Join(dir, "spool", "siem")
			if err := os.MkdirAll(spool, 0o700); err != nil {
				t.Fatal(err)
			}
			var segments [2][]byte
			for n := 1; n <= 30; n++ {
				b := spooled(t, n)
				if x.name == "record damaged" && n == 10 {
					b[40] ^= 1
				}
				segments[(n-1)/20] = append(segments[(n-1)/20], b...)
			}
			files := map[string][]byte{
				"00000000000000000001.segment": segments[0], "00000000000000000021.segment": append(segments[1], "\xf1FH1 torn"...),
				"cursor": []byte(x.cursor), "lock": nil, "dead.ndjson": []byte("{}\n"),
			}
			if x.name == "segment gone" {
				delete(files, "00000000000000000001.segment")
			}
			for name, b := range files {
				if err := os.WriteFile(filepath.Join(spool, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal")})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			c := Config{DataDir: dir}
			o := New(c, Dependencies{Journal: j, Log: slog.New(slog.DiscardHandler), Report: func(s *hit.Status) { said = append(said, s.Status+" "+s.Msg) }})
			o.takeSpool(t.Context(), &c, "siem")
			if _, err := os.Stat(filepath.Join(dir, "spool")); !os.IsNotExist(err) {
				t.Errorf("the spool is still there: %v", err)
			}
			if n := output.Letters(c.DeadDir("siem")); n != 1 {
				t.Errorf("%d dead letters", n)
			}
			if x.lost == "" && len(said) > 0 || x.lost != "" && (len(said) != 1 || !strings.Contains(said[0], x.lost)) {
				t.Errorf("said %q", said)
			}
			var got, want []string
			cursor := j.Cursor(output.CursorOf("siem"), 0)
			for {
				r, err := cursor.Next()
				if err != nil {
					t.Fatal(err)
				}
				if r == nil {
					break
				}
				got = append(got, fmt.Sprint(r.Hit.ID, r.Tries, r.At.Nanosecond()))
			}
			for n := x.first; n <= x.last; n++ {
				if x.name != "record damaged" || n != 10 {
					want = append(want, fmt.Sprint(fmt.Sprint(n), n%3, n))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			o.takeSpool(t.Context(), &c, "siem") // there is nothing more to do
			if err := j.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzSpool(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\xf1FH1\xf1FH1"))
	f.Add([]byte("\xf1FH1\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			_, n := spoolRecord(b)
			if n < 1 || n > len(b) {
				t.Fatalf("%d of %d bytes", n, len(b))
			}
			b = b[n:]
		}
	})
}

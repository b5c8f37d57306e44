package export

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// record is one of a zone: an owner that is relative and made of safe labels, the
// policy, and perhaps a comment in one line.
var record = regexp.MustCompile(`^(\*\.)?([a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63} CNAME \.( ; [^\x00-\x1f\x7f]{1,200})?$`)

// FuzzRPZ holds that no feed can write anything into a zone but records of two
// owners, the listed name and what is below it.
func FuzzRPZ(f *testing.F) {
	for _, name := range hostile() {
		f.Add(name, "Wave 3\n$INCLUDE /etc/passwd", "https://ref.example/1")
	}
	f.Fuzz(func(t *testing.T, name, pulse, ref string) {
		b := intel.NewBuilder("f")
		if name == "" || !b.Add(&intel.Indicator{Domain: name, Name: pulse, Ref: ref}) {
			return
		}
		var out bytes.Buffer
		s, err := Write(&out, intel.NewSet(b.Block()), Options{Format: "rpz", Now: then})
		if err != nil {
			t.Fatal(err)
		}
		_, records, _ := strings.Cut(out.String(), "@ NS localhost.\n")
		lines := strings.Split(strings.TrimSuffix(records, "\n"), "\n")
		if records == "" {
			lines = nil
		}
		if len(lines) != 2*s.Written || s.Written+len(s.Left) != 1 {
			t.Fatalf("%+v and %d records:\n%q", s, len(lines), lines)
		}
		for _, line := range lines {
			owner, _, _ := strings.Cut(line, " ")
			if !record.MatchString(line) || len(owner)+len(".rpz.flowhound") > maxName || strings.Contains(owner[strings.LastIndexByte(owner, '.'):], ".rpz-") {
				t.Errorf("the zone holds %q", line)
			}
		}
	})
}

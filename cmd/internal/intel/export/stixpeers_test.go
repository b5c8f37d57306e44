package export

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
)

// What OASIS' own validator and Python library, which most readers are built on, say
// of a bundle: one bad object makes them refuse all of it.
func TestReadersTakeSTIX(t *testing.T) {
	validator, python := dnstest.Peer(t, "stix2_validator", "stix2-validator, with pip"), dnstest.Peer(t, "python3", "python3")
	if exec.Command(python, "-c", "import stix2, stix2patterns").Run() != nil {
		dnstest.Peer(t, "stix2 for "+python, "stix2, with pip") // which it is not
	}
	path := filepath.Join(t.TempDir(), "bundle.json")
	odd := feed(`o'dd "feed" \`,
		intel.Indicator{URL: `http://192.0.2.1/bin%?it='x'&y=\`, Category: intel.Malware, Score: 60},
		intel.Indicator{Domain: "no-page.example", Category: intel.Other}, // no reference, no dates
		on("2001:db8:1::/48", intel.Policy, 100),
	)
	set := intel.NewSet(odd, feed("list", on("192.0.2.7/32", intel.C2, 60)))
	for _, s := range []*intel.Set{set, sample(), intel.NewSet()} {
		if _, _, err := File(path, s, Options{Format: "stix", Now: now}); err != nil {
			t.Fatal(err)
		}
		// Its warnings are about names that are not derived, as ours are (103), and
		// links without a hash of the page (302).
		out, err := exec.Command(validator, "--disable", "103,302", path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "STIX JSON: Valid") || strings.Contains(string(out), "[!]") {
			t.Errorf("%v\n%s", err, out)
		}
		read := `import sys, stix2
from stix2patterns.validator import run_validator
n = 0
for o in stix2.parse(open(sys.argv[1]).read(), version="2.1").objects:
    if o.type == "indicator":
        assert not run_validator(o.pattern, "2.1"), o.pattern
        n += 1
print(n)`
		out, err = exec.Command(python, "-c", read, path).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

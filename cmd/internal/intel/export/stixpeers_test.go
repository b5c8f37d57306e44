package export

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
)

// What OASIS' own validator and Python library, which most readers are built on, say
// of a bundle: one bad object makes them reject all of it.
func TestReadersTakeSTIX(t *testing.T) {
	t.Parallel()
	validator, python := dnstest.Peer(t, "stix2_validator", "stix2-validator, with pip"), dnstest.Peer(t, "python3", "python3")
	if exec.Command(python, "-c", "import stix2, stix2patterns").Run() != nil {
		dnstest.Peer(t, "stix2 for "+python, "stix2, with pip") // which it is not
	}
	odd := feed(`o'dd "feed" \`,
		intel.Indicator{URL: `http://192.0.2.1/bin%?it='x'&y=\`, Category: intel.Malware, Score: 60},
		intel.Indicator{Domain: "no-page.example", Category: intel.Other}, // no reference, no dates
		on("2001:db8:1::/48", intel.Policy, 100),
	)
	set := intel.NewSet(odd, feed("list", on("192.0.2.7/32", intel.C2, 60)))
	dir := t.TempDir()
	var paths []string
	for i, s := range []*intel.Set{set, sample(), intel.NewSet()} {
		paths = append(paths, filepath.Join(dir, fmt.Sprint("bundle", i, ".json")))
		if _, _, err := File(paths[i], s, Options{Format: "stix", Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	// Its warnings are about names that are not derived, as ours are (103), and
	// links without a hash of the page (302).
	out, err := exec.Command(validator, append([]string{"--disable", "103,302"}, paths...)...).CombinedOutput()
	if err != nil || strings.Count(string(out), "STIX JSON: Valid") != len(paths) || strings.Contains(string(out), "[!]") {
		t.Errorf("%v\n%s", err, out)
	}
	read := `import sys, stix2
from stix2patterns.validator import run_validator
for path in sys.argv[1:]:
    n = 0
    for o in stix2.parse(open(path).read(), version="2.1").objects:
        if o.type == "indicator":
            assert not run_validator(o.pattern, "2.1"), o.pattern
            n += 1
    print(n)`
	var warnings bytes.Buffer // bash, which may start it, warns of locales that are not there
	cmd := exec.Command(python, append([]string{"-c", read}, paths...)...)
	cmd.Stderr = &warnings
	out, err = cmd.Output()
	if err != nil || strings.Count(string(out), "\n") != len(paths) || !strings.HasSuffix(string(out), "\n0\n") {
		t.Errorf("%v\n%s%s", err, out, &warnings)
	}
}

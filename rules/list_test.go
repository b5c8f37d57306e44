package rules_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/integrations"
)

// list is an address list as flowhound exports it for Wazuh.
const list = "198.51.100.7:c2,x\n203.0.113.:spam,x\n\"2001:db8:bad::7\":c2,x\nbad.example:c2,x\n"

// listRules is the snippet whose rule asks the list.
func listRules() string {
	b, err := fs.ReadFile(integrations.Files, "wazuh/list_rules.xml")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// from are the addresses of log-ins, and whether the list has them.
var from = []struct {
	address string
	listed  bool
}{
	{"10.1.1.1", false}, {"198.51.100.7", true}, {"198.51.100.70", false}, {"198.51.100.8", false}, {"203.0.113.77", true},
	{"203.0.11.3", false}, {"2001:db8:bad::7", true}, {"2001:db8:bad::8", false},
}

func loginLines() (lines []string) {
	for _, f := range from {
		lines = append(lines, "Jun  7 10:37:51 gw sshd[123]: Accepted password for root from "+f.address+" port 22 ssh2")
	}
	return lines
}

// TestListRule: the snippet's rule fires for listed addresses and for no other.
func TestListRule(t *testing.T) {
	for i, a := range logins.recorded(t, wazuh) {
		if fired := strings.HasPrefix(a, "100890\t12\t"); fired != from[i].listed {
			t.Errorf("%s: %s", fmt.Sprint(from[i]), a)
		}
	}
	if strings.Contains(listRules(), "_value") {
		t.Error("a look-up by value fires for every address that is not listed")
	}
}

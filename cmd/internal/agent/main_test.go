package agent_test

import (
	"flag"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the lines of live exporters to testdata/golden")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer returns the path of a program that a test talks to. Without it the test is
// skipped, or fails where FLOWHOUND_PEERS=required says that peers are installed.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // on Debian in no user's PATH
	}
	if err == nil {
		return path
	}
	if os.Getenv("FLOWHOUND_PEERS") == "required" {
		t.Fatalf("%s is not installed (apt install %s)", name, name)
	}
	t.Skipf("SKIPPED: %s is not installed (apt install %s)", name, name)
	return ""
}

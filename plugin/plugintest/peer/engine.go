package peer

import (
	"os"
	"os/exec"
	"testing"
)

// engineHome is where OSSEC and Wazuh install themselves.
const engineHome = "/var/ossec/bin/"

// FindEngine returns the program of a real OSSEC or Wazuh that tests ask: the one that the
// variable env names, else the one in PATH, else the one of an installation. "": there is
// none, or this is not root, which all of them need.
func FindEngine(env, program string) string {
	if os.Geteuid() != 0 {
		return ""
	}
	if path := os.Getenv(env); path != "" {
		return path
	}
	for _, name := range []string{program, engineHome + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// OSSEC returns ossec-logtest of a real OSSEC, or skips the test. No package of Debian
// brings one.
func OSSEC(t testing.TB) string { return engine(t, "FLOWHOUND_OSSEC_LOGTEST", "ossec-logtest") }

// Wazuh returns wazuh-logtest-legacy of a real Wazuh, or skips the test.
func Wazuh(t testing.TB) string { return engine(t, "FLOWHOUND_WAZUH_LOGTEST", "wazuh-logtest-legacy") }

func engine(t testing.TB, env, program string) string {
	t.Helper()
	path := FindEngine(env, program)
	if path == "" {
		t.Skipf("SKIPPED: no %s in %s, PATH or %s, or this is not root", program, env, engineHome)
	}
	return path
}

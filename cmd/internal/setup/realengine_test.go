package setup

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// transcript is what a person does: install, look at the alerts, uninstall. It
// runs where a copy of the engine stands in the engine's own place, which is
// built into its programs, and nobody else sees the copy. $1 is the copy, $2 the
// place, $3 a folder with flowhound and its configuration.
const transcript = `set -e
mount --bind "$1" "$2"
cd "$3"
rm -f "$2"/var/run/*.pid
sed -i 's:<email_notification>yes:<email_notification>no:' "$2/etc/ossec.conf"
cp -a "$2" before
./flowhound install -c flowhound.yaml --home "$2" --restart
trap '"$2/bin/ossec-control" stop >/dev/null' EXIT
for i in $(seq 100); do grep -q "Analyzing file: '$3/alerts.log'" "$2/logs/ossec.log" && break; sleep 0.2; done
./flowhound demo | grep ': hit kind=' >>alerts.log
for i in $(seq 100); do grep -q 'name="bruteforce"' "$2/logs/alerts/alerts.log" && break; sleep 0.2; done
cat "$2/logs/alerts/alerts.log"
"$2/bin/ossec-control" stop >/dev/null
trap - EXIT
./flowhound uninstall -c flowhound.yaml --home "$2"
for part in etc rules bin; do diff -r "before/$part" "$2/$part" || [ "$part" = etc ]; done
diff before/etc/ossec.conf "$2/etc/ossec.conf"
ls "$2/etc/local_decoder.xml" 2>/dev/null || echo "no trace is left"
`

// TestRealEngine installs into a real OSSEC, whose daemons then read the demo's
// lines and write alerts. Its processes are a world of their own: an OSSEC that runs
// on this host notices nothing.
func TestRealEngine(t *testing.T) {
	home := realOSSEC(t)
	dir := t.TempDir()
	for _, command := range [][]string{
		{"cp", program(t), dir},
		{"cp", "-a", home, filepath.Join(dir, "ossec")},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	log := filepath.Join(dir, "alerts.log")
	write(t, filepath.Join(dir, "flowhound.yaml"), "log: {path: "+log+"}\nfeeds: [{name: none, type: list, path: /dev/null}]\n")
	cmd := exec.CommandContext(t.Context(), "unshare", "-mnpf", "--mount-proc", "sh", "-c", transcript, "sh", filepath.Join(dir, "ossec"), home, dir)
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"found OSSEC 4", "wrote " + home + "/etc/local_decoder.xml", "restarting OSSEC",
		"(level 14) -> 'flowhound: ", "Src IP: 10.1.4.23", "flowhound_new_outbound", "cat=bruteforce",
		"removed " + home + "/rules/flowhound_rules.xml", "no trace is left",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the transcript lacks %q:\n%s", want, out)
			break
		}
	}
}

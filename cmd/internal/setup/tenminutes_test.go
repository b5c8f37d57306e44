package setup

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// tenMinutes is a host without a service manager, with an OSSEC in its own place ($1 is
// a copy, $2 the place), a chat that answers as Slack does, and rsyslog's port. It does
// what stands in the files commands and outputs, which are README's own text.
const tenMinutes = `mount --bind "$1" "$2"
rm -f "$2"/var/run/*.pid
mkdir -p /var/empty
printf 'DIRECTORY="%s"\n' "$2" >/etc/ossec-init.conf
sed -i 's:<email_notification>yes:<email_notification>no:' "$2/etc/ossec.conf"
cat >chat.py <<'END'
import http.server, sys
class Chat(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        open('chat.log', 'ab').write(body + b'\n')
        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self, *a): pass
s = http.server.HTTPServer(('127.0.0.1', 0), Chat)
open('chat.port', 'w').write(str(s.server_port))
s.serve_forever()
END
python3 chat.py &
chat=$!
until [ -s chat.port ]; do sleep 0.1; done
trap 'kill $chat; "$2/bin/ossec-control" stop >/dev/null 2>&1' EXIT
run() { # run COMMAND: as README has it, whose sudo is root already
	printf '$ %s\n' "$1"
	case $1 in
	*/dev/stdin*) printf 'http://127.0.0.1:%s/services/T0/B0/x\n' "$(cat chat.port)" | sh -c "$1" ;;
	*) sh -c "$1" ;;
	esac || echo "exit status $?"
}
started=
while read -r line <&3; do
	case $line in
	*"flowhound test"*) # by now the agent runs, as install.sh says it is started here
		cat outputs >>/etc/flowhound/flowhound.yaml
		install -d -m 0700 -o flowhound -g flowhound /run/flowhound
		setsid su -s /bin/sh flowhound -c '/usr/local/bin/flowhound run' 2>agent.err </dev/null &
		until [ -S /run/flowhound/control.sock ]; do sleep 0.2; done
		for i in $(seq 300); do flowhound output list 2>/dev/null | grep -q ' ok ' && break; sleep 0.2; done
		;;
	esac
	run "$line"
done 3<commands
cat chat.log
sh install.sh --uninstall --purge
`

var readmeCommand = regexp.MustCompile(`(?m)^    (?:sudo (.+))$`)

// TestTenMinutes does what README says, from the installation to the alert and the
// message in the chat, with a real OSSEC.
func TestTenMinutes(t *testing.T) {
	home := realOSSEC(t)
	readme := read(t, "../../../README.md")
	section := readme[strings.Index(readme, "## Ten minutes"):]
	section = section[:strings.Index(section[3:], "\n## ")]
	var commands, last []string
	for _, m := range readmeCommand.FindAllStringSubmatch(section, -1) {
		command := strings.Replace(m[1], "./install.sh", "sh install.sh", 1)
		if strings.HasPrefix(command, "flowhound test") || strings.HasPrefix(command, "flowhound status") || strings.HasPrefix(command, "flowhound doctor") {
			last = append(last, command) // once the output is there, too
		} else {
			commands = append(commands, command)
		}
	}
	if len(commands) != 4 || len(last) != 3 {
		t.Fatalf("README's path has changed: %q, %q", commands, last)
	}
	outputs := section[strings.Index(section, "    outputs:\n"):]
	outputs = outputs[:strings.Index(outputs, "\n\n")+1]

	dir := release(t)
	for name, content := range map[string]string{
		"commands": strings.Join(append(commands, last...), "\n") + "\n",
		"outputs":  regexp.MustCompile(`(?m)^    `).ReplaceAllString(outputs, ""),
	} {
		write(t, filepath.Join(dir, name), content)
	}
	for _, command := range [][]string{
		{"rm", filepath.Join(dir, "bin/flowhound-output-webhook")}, // which only stands in for one
		{"go", "build", "-o", filepath.Join(dir, "bin/flowhound-output-webhook"), "../../../plugin/webhook"},
		{"cp", "-a", home, filepath.Join(dir, "ossec")},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-mnpf", "--mount-proc", "sh", "-c", asRoot+tenMinutes, "sh", filepath.Join(dir, "ossec"), home)
	cmd.Dir = dir
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`(?m)^wrote .*/etc/local_decoder.xml$`, `(?m)^restarting OSSEC$`, `(?m)^added to .*flowhound.yaml:$`,
		`✓ +\d+\.\d\d s  received and matched: severity info, id \S+\n`, `✓ .* written to /var/log/flowhound/alerts.log\n`,
		`✓ .* delivered to output chat\n`, `✓ .* raised as an alert: .*/logs/alerts/alerts.log\n`,
		`(?m)^chat +ok +1 `, `ok    OSSEC runs since .* and has read its files for flowhound\n`,
		`ok    OSSEC decodes a line, which reaches rule 100920\n`, `TEST: planted by flowhound test, nothing happened`, `(?m)^removed the user flowhound$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the transcript lacks %s:\n%s", want, out)
			break
		}
	}
	t.Log(out) // with -v, to be read as a user would
	if strings.Contains(out, "✗") {
		t.Errorf("a step failed:\n%s", out)
	}
}

// realOSSEC returns the home of a real OSSEC, or skips the test.
func realOSSEC(t *testing.T) (home string) {
	t.Helper()
	logtest := peer.OSSEC(t)
	if out, err := exec.Command("unshare", "-mnpf", "--mount-proc", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: this user may not make mount namespaces: %v %s", err, out)
	}
	return filepath.Dir(filepath.Dir(logtest))
}

package setup

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/text"
)

// Examine says how this host is set up for flowhound: kernel, clock, disks, the
// port when no agent holds it, and the engine's side of the alert log. listen holds
// host:port addresses; running says that an agent has them.
func Examine(ctx context.Context, o Options, listen []string, dataDir string, running bool) finding.List {
	var l finding.List
	examineHost(&l, o.root(), filepath.Dir(o.LogPath), dataDir)
	if !running {
		examinePorts(&l, listen)
	}
	examineRotation(&l, &o)
	examineEngine(ctx, &l, &o)
	return l
}

// examinePorts looks who else has the ports that the agent would take.
func examinePorts(l *finding.List, listen []string) {
	for _, address := range listen {
		conn, err := net.ListenPacket("udp", address)
		if err == nil {
			_ = conn.Close()
			l.OK("UDP %s is free", address)
			continue
		}
		_, port, _ := net.SplitHostPort(address)
		if errors.Is(err, syscall.EADDRINUSE) {
			l.Bad("ss -ulpn 'sport = :"+port+"'", "another program uses UDP %s", address)
		} else {
			l.Bad("flowhound check", "UDP %s cannot be opened: %v", address, err)
		}
	}
}

// examineRotation looks for a logrotate that would fight flowhound's own.
func examineRotation(l *finding.List, o *Options) {
	files, _ := filepath.Glob(filepath.Join(o.root(), "etc/logrotate.d/*"))
	for _, f := range append(files, filepath.Join(o.root(), "etc/logrotate.conf")) {
		b, err := readSmall(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			pattern, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if ok, err := filepath.Match(strings.Trim(pattern, `"`), o.LogPath); ok && err == nil {
				l.Bad("remove the entry from "+f, "%s rotates %s, which flowhound rotates itself; with copytruncate OSSEC loses lines", f, o.LogPath)
			}
		}
	}
}

// examineEngine looks whether the engine reads the log and knows the lines.
func examineEngine(ctx context.Context, l *finding.List, o *Options) {
	e, err := Find(o.root(), o.Home)
	if errors.Is(err, ErrNoEngine) {
		l.Warn("install an OSSEC or Wazuh agent, or add an output (flowhound output list)", "%v: nobody here reads the alert log", err)
		return
	}
	if err != nil {
		l.Bad("fix the installation, then: flowhound install", "%v", err)
		return
	}
	if o.JSONLog && e.Kind == OSSEC {
		l.Bad("set log.format: syslog", "log.format is json, which OSSEC cannot read")
		return
	}
	changes, err := e.wire(o)
	pasted := e.pasted()
	switch {
	case pasted != nil:
		l.Bad("do that by hand", "%v", pasted)
		return
	case os.IsPermission(err):
		l.Warn("sudo flowhound doctor", "%s: its files may be read by root only", e)
		return
	case err != nil:
		l.Bad("fix the file, then: flowhound install", "%v", err)
		return
	case len(changes) > 0:
		l.Bad("sudo flowhound install --restart", "%s does not know this version's lines yet: %s would change", e, changes[0].says)
		return
	}
	if err := e.clash(); err != nil {
		l.Bad("do that by hand", "%v", err)
		return
	}
	l.OK("%s is wired", e)
	e.examineState(l)
	if info, err := os.Stat(filepath.Join(o.root(), o.LogPath)); err != nil {
		l.Bad("start flowhound, then restart "+string(e.Kind), "the alert log %s is not there: the engine stops watching a missing file", o.LogPath)
	} else if !info.Mode().IsRegular() {
		l.Bad("put a file in its place", "the alert log %s is not a regular file", o.LogPath)
	}
	examineResponses(l, e)
	e.askAboutLine(ctx, l, o.JSONLog)
}

var (
	activeResponse = text.Pattern(`(?s)<active-response>(.*?)</active-response>`)
	responseLevel  = text.Pattern(`<level>\s*(\d+)\s*</level>`)
	comment        = text.Pattern(`(?s)<!--.*?-->`)
)

// examineResponses looks for active responses that go by level alone: they would
// block the source of a hit, which outbound is one's own host.
func examineResponses(l *finding.List, e *Engine) {
	b, err := readSmall(e.path("etc/ossec.conf"))
	if err != nil {
		return
	}
	for _, m := range activeResponse().FindAllSubmatch(comment().ReplaceAll(b, nil), -1) {
		level := responseLevel().FindSubmatch(m[1])
		if level == nil || bytes.Contains(m[1], []byte("<disabled>yes")) {
			continue
		}
		l.Warn("list rule ids there (<rules_id>) instead of a level", "an active response in %s triggers on level %s alone; flowhound's rules are exempt (no_ar), but your own rules based on them are not",
			e.says("etc/ossec.conf"), level[1])
	}
}

// What doctor asks about: a hit in both forms of the log, and the rule that it has
// to reach, as rules/README.md promises.
const (
	probeLine = `Jun  7 12:38:20 gw flowhound[1]: hit kind=new sev=critical dir=outbound state=established cat=c2 feed=doctor ioc=198.51.100.7 score=90 src=10.1.2.3 sport=51234 dst=198.51.100.7 dport=443 proto=tcp count=1 bytes=18412 pkts=97 cc=- exporter=192.0.2.1 seen=2026-06-07T10:37:51Z/2026-06-07T10:38:11Z id=0000000000000-1 ref="-" name="doctor"`
	probeJSON = `{"v":1,"kind":"new","sev":"critical","dir":"outbound","state":"established","cat":"c2","feed":"doctor","ioc":"198.51.100.7","score":90,"src":"10.1.2.3","srcip":"10.1.2.3","dst":"198.51.100.7","dstip":"198.51.100.7","dport":443,"proto":"tcp","count":1,"id":"0000000000000-1"}`
	probeRule = "100920"
	probeTime = 20 * time.Second
)

var (
	answerRule = text.Pattern(`(?i)rule id:\s*'(\d+)'`)
	ifSID      = text.Pattern(`<if_sid>([^<]*)</if_sid>`)
)

// askAboutLine gives a line to the engine's own test tool.
func (e *Engine) askAboutLine(ctx context.Context, l *finding.List, inJSON bool) {
	if e.Role != Manager {
		l.OK("decoders and rules are the manager's affair: look there with its logtest")
		return
	}
	home := e.path("")
	command := []string{e.path("bin/ossec-logtest"), "-D", home, "-c", filepath.Join(home, "etc/ossec.conf")}
	if e.Kind == Wazuh {
		command = []string{e.path("bin/wazuh-logtest-legacy")}
	}
	if os.Geteuid() != 0 || !exists(command[0]) {
		l.Warn("sudo flowhound doctor", "whether %s decodes a line was not tried: that takes root and %s", e.Kind, command[0])
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(probeLine + "\n")
	if inJSON {
		cmd.Stdin = strings.NewReader(probeJSON + "\n")
	}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	m := answerRule().FindSubmatch(out)
	switch {
	case m != nil && string(m[1]) == probeRule:
		l.OK("%s decodes a line, which reaches rule %s", e.Kind, probeRule)
	case m != nil && e.buildsOn(string(m[1]), probeRule):
		l.OK("%s decodes a line, which reaches your rule %s on top of rule %s", e.Kind, m[1], probeRule)
	case m != nil:
		l.Bad(strings.Join(command, " "), "%s gives a line of flowhound's rule %s instead of %s: another rule comes first", e.Kind, m[1], probeRule)
	case err != nil:
		l.Bad(strings.Join(command, " ")+" -t", "%s cannot be asked about a line: %v: %s", e.Kind, err, bytes.TrimSpace(tail(out, 300)))
	default:
		l.Bad("sudo flowhound install --restart", "%s does not recognise a line of flowhound's", e.Kind)
	}
}

// buildsOn reports whether a rule of the operator's is a child of another rule: the
// way to raise or silence one.
func (e *Engine) buildsOn(id, parent string) bool {
	all, err := e.rules()
	if err != nil {
		return false
	}
	for _, r := range all {
		if m := ifSID().FindStringSubmatch(r.body); r.id == id && m != nil && strings.Contains(m[1], parent) {
			return true
		}
	}
	return false
}

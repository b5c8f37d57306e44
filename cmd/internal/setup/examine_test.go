package setup

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// answer is what ossec-logtest says to a line that it knows, to any line.
const answer = "**Phase 3: Completed filtering (rules).\n       Rule id: '100920'\n       Level: '14'\n"

// says returns the findings that hold text.
func says(l finding.List, text string) (found finding.List) {
	for _, f := range l {
		if strings.Contains(f.What, text) {
			found = append(found, f)
		}
	}
	return found
}

func TestDoctorOnTheEngine(t *testing.T) {
	home := engine(t, "OSSEC manager")
	o, _ := options(t, home)
	o.Root = "/"
	look := func() finding.List {
		var l finding.List
		examineEngine(t.Context(), &l, &o)
		return l
	}
	want := func(level finding.Level, what, fix string) {
		t.Helper()
		l := says(look(), what)
		if len(l) != 1 || l[0].Level != level || !strings.Contains(l[0].Fix, fix) {
			t.Errorf("%+v, want %s: %s, fix: %s", look(), level, what, fix)
		}
	}
	want(finding.Bad, "does not know this version's lines", "flowhound install")
	if err := Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want(finding.OK, "is wired", "")
	if os.Geteuid() == 0 {
		want(finding.Bad, "does not recognise", "flowhound install")
		write(t, filepath.Join(home, "bin/ossec-logtest"), "#!/bin/sh\nread line; case $line in *'hit kind=new'*) cat <<E\n"+answer+"E\nesac\n")
		want(finding.OK, "rule 100920", "")
		write(t, filepath.Join(home, "bin/ossec-logtest"), "#!/bin/sh\necho ERROR; exit 1\n")
		want(finding.Bad, "cannot be asked", "-t")
	}

	os.Rename(o.LogPath, o.LogPath+".away")
	want(finding.Bad, "is not there", "start flowhound")
	os.Mkdir(o.LogPath, 0o750)
	want(finding.Bad, "not a regular file", "")
	os.Remove(o.LogPath)
	os.Rename(o.LogPath+".away", o.LogPath)

	conf := filepath.Join(home, "etc/ossec.conf")
	for text, n := range map[string]int{
		"<active-response><command>drop</command><level>6</level></active-response>":                                  1,
		"<!-- <active-response><level>6</level></active-response> -->":                                                0,
		"<active-response><disabled>yes</disabled><level>6</level></active-response>":                                 0,
		"<active-response><rules_id>5712</rules_id></active-response>":                                                0,
		"<active-response><level>6</level></active-response>\n<active-response><level> 10 </level></active-response>": 2,
	} {
		old := read(t, conf)
		write(t, conf, text+"\n"+old)
		if l := says(look(), "active response"); len(l) != n || n > 0 && l[0].Level != finding.Warn {
			t.Errorf("%s: %+v", text, l)
		}
		write(t, conf, old)
	}

	o.JSONLog = true
	want(finding.Bad, "OSSEC cannot read", "log.format: syslog")
	o.Home = filepath.Join(home, "none")
	want(finding.Warn, "nobody here reads", "output")
	o.Home = engine(t, "Wazuh 5")
	want(finding.Bad, "Wazuh 5", "flowhound install")
}

func TestDoctorOnTheHost(t *testing.T) {
	root := t.TempDir()
	o := Options{Root: root, LogPath: "/var/log/flowhound/alerts.log"}
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, filepath.Join(root, "proc/sys/net/core/rmem_max"), "212992\n")
	write(t, filepath.Join(root, "etc/logrotate.d/ours"), "/var/log/flowhound/*.log {\n  copytruncate\n}\n")
	write(t, filepath.Join(root, "etc/logrotate.d/other"), "/var/log/other.log {\n}\n")
	l := Examine(t.Context(), o, []string{taken.LocalAddr().String(), "127.0.0.1:0"}, filepath.Join(root, "none"), false)
	for what, level := range map[string]finding.Level{
		"rmem_max is 212992": finding.Warn, "copytruncate": finding.Bad, "another program uses UDP": finding.Bad,
		"UDP 127.0.0.1:0 is free": finding.OK, "data_dir: " + root: finding.Bad, "nobody here reads": finding.Warn,
	} {
		if found := says(l, what); len(found) != 1 || found[0].Level != level || (level == finding.OK) != (found[0].Fix == "") {
			t.Errorf("%s: %+v", what, found)
		}
	}
	if len(says(l, "clock")) != 1 || l.Worst() != finding.Bad {
		t.Errorf("%+v", l)
	}
	write(t, filepath.Join(root, "proc/sys/net/core/rmem_max"), "67108864\n")
	if found := says(Examine(t.Context(), o, nil, root, true), "rmem_max"); len(found) != 1 || found[0].Level != finding.OK {
		t.Errorf("%+v", found)
	}
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// logtest stands in for ossec-logtest -t: it rejects what the engine does, a
// listed file that is missing and whatever says BROKEN.
const logtest = `#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -D) home=$2; shift;; esac; shift; done
cd "$home" || exit 1
for f in $(sed -n 's:.*<include>\(.*\)</include>.*:\1:p' etc/ossec.conf); do
	[ -f "rules/$f" ] || { echo "ossec-testrule(1226): ERROR: Error reading XML file 'rules/$f'"; exit 1; }
done
grep -l BROKEN etc/*.xml etc/*.conf rules/*.xml 2>/dev/null && { echo "ossec-testrule(1202): ERROR: Configuration error"; exit 1; }
exit 0
`

const analysisd = `#!/bin/sh
cd "$(dirname "$0")/.." || exit 1
grep -l BROKEN etc/*.conf etc/rules/* etc/decoders/* 2>/dev/null && { echo "wazuh-analysisd: CRITICAL: (1202): Configuration error"; exit 1; }
exit 0
`

const serverConf = `<ossec_config>
  <global><email_notification>no</email_notification></global>
  <rules>
    <include>rules_config.xml</include>
    <include>named_rules.xml</include>
  </rules>
</ossec_config>
`

// engine lays out what an installer does, and returns its home. Links to it stand
// for another root.
func engine(t *testing.T, what string) (home string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "ossec")
	var files map[string]string
	switch what {
	case "OSSEC manager":
		files = map[string]string{
			"bin/ossec-control": "#!/bin/sh\nNAME=\"OSSEC HIDS\"\nVERSION=\"v3.7.0\"\n", "bin/ossec-analysisd": logtest, "bin/ossec-logtest": logtest,
			"etc/ossec.conf": serverConf, "etc/local_decoder.xml": "<decoder name=\"mine\">\n</decoder>", "rules/rules_config.xml": "", "rules/named_rules.xml": "",
		}
	case "OSSEC agent":
		files = map[string]string{
			"bin/ossec-control": "VERSION=\"v4.2.0\"\n", "bin/ossec-agentd": "", "etc/ossec.conf": "<ossec_config>\r\n</ossec_config>\r\n",
		}
	case "Wazuh manager":
		files = map[string]string{
			"bin/wazuh-control": "VERSION=\"v4.14.0\"\nREVISION=\"1\"\nTYPE=\"server\"\n", "bin/wazuh-analysisd": analysisd,
			"etc/ossec.conf": "<ossec_config>\n</ossec_config>\n<ossec_config>\n</ossec_config>", "etc/rules/local_rules.xml": "", "etc/decoders/local_decoder.xml": "",
		}
	case "Wazuh agent":
		files = map[string]string{
			"VERSION.json": "{\n    \"version\": \"4.12.0\",\n    \"stage\": \"rc1\"\n}\n", "bin/wazuh-control": "", "bin/wazuh-agentd": "",
			"etc/ossec.conf": "<ossec_config>\n</ossec_config>\n",
		}
	case "Wazuh 5 agent":
		files = map[string]string{
			"VERSION.json": "{\n    \"version\": \"5.0.0\",\n    \"stage\": \"beta5\"\n}\n", "bin/wazuh-control": "", "bin/wazuh-agentd": "",
			"etc/ossec.conf": "<ossec_config>\n</ossec_config>\n",
		}
	case "Wazuh 5":
		files = map[string]string{"bin/wazuh-control": "VERSION=\"v5.0.0\"\n", "bin/wazuh-analysisd": "", "etc/ossec.conf": ""}
	default:
		t.Fatal(what)
	}
	for name, content := range files {
		write(t, filepath.Join(home, name), content)
	}
	return home
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	mode := fs.FileMode(0o640)
	if strings.Contains(path, "/bin/") {
		mode = 0o750
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// picture is all that one can see of a tree: names, modes, owners, contents.
func picture(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %s %d:%d", strings.TrimPrefix(path, dir), info.Mode(), s.Uid, s.Gid)
		if info.Mode().IsRegular() && filepath.Base(path) != "ossec.log" { // the engine's own word
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", content)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func options(t *testing.T, home string) (o Options, said *strings.Builder) {
	t.Helper()
	said = new(strings.Builder)
	o = Options{Home: home, LogPath: filepath.Join(t.TempDir(), "alerts.log"), Say: func(format string, args ...any) {
		fmt.Fprintf(said, format+"\n", args...)
	}}
	return o, said
}

func TestInstallAndUninstall(t *testing.T) {
	for what, want := range map[string][]string{
		"OSSEC manager": {"etc/local_decoder.xml", "etc/ossec.conf", "rules/flowhound_bind_rules.xml", "rules/flowhound_rules.xml"},
		"OSSEC agent":   {"etc/ossec.conf"},
		"Wazuh manager": {
			"etc/decoders/0001-flowhound_bind_decoders.xml", "etc/decoders/flowhound_decoders.xml", "etc/ossec.conf",
			"etc/rules/flowhound_bind_rules.xml", "etc/rules/flowhound_rules.xml",
		},
		"Wazuh agent":   {"etc/ossec.conf"},
		"Wazuh 5 agent": {"etc/ossec.conf"},
	} {
		t.Run(what, func(t *testing.T) {
			home := engine(t, what)
			before := picture(t, home)
			o, said := options(t, home)

			o.DryRun = true
			if err := Install(t.Context(), o); err != nil || picture(t, home) != before || exists(o.LogPath) {
				t.Fatalf("a dry run: %v\n%s", err, said)
			}
			o.DryRun = false
			said.Reset()
			if err := Install(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			var wrote []string
			for line := range strings.Lines(said.String()) {
				if name, ok := strings.CutPrefix(line, "wrote "+home+"/"); ok {
					wrote = append(wrote, strings.TrimSpace(name))
				}
			}
			slices.Sort(wrote)
			if !slices.Equal(wrote, want) || !strings.Contains(said.String(), what[:5]) || !strings.Contains(said.String(), "restart") || !exists(o.LogPath) {
				t.Errorf("said\n%s\nwant %q", said, want)
			}
			if conf := read(t, filepath.Join(home, "etc/ossec.conf")); strings.Count(conf, "<location>"+o.LogPath+"</location>") != 1 {
				t.Error(conf)
			}
			installed := picture(t, home)
			said.Reset()
			if err := Install(t.Context(), o); err != nil || picture(t, home) != installed || !strings.Contains(said.String(), "already") {
				t.Errorf("again: %v\n%s", err, said)
			}
			if err := Uninstall(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if after := picture(t, home); after != before {
				t.Errorf("left\n%s\nof\n%s", after, before)
			}
			said.Reset()
			if err := Uninstall(t.Context(), o); err != nil || !strings.Contains(said.String(), "nothing of flowhound") {
				t.Errorf("again: %v\n%s", err, said)
			}
		})
	}
}

// A newer version, another log and a file that flowhound made itself.
func TestUpgrade(t *testing.T) {
	home := engine(t, "OSSEC manager")
	if err := os.Remove(filepath.Join(home, "etc/local_decoder.xml")); err != nil {
		t.Fatal(err)
	}
	before := picture(t, home)
	o, said := options(t, home)
	if err := Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	installed := picture(t, home)
	for name, old := range map[string]string{"etc/local_decoder.xml": "<decoder", "rules/flowhound_rules.xml": "<group", "etc/ossec.conf": "alerts.log"} {
		path := filepath.Join(home, name)
		write(t, path, strings.Replace(read(t, path), old, "<!-- older -->"+old, 1))
	}
	said.Reset()
	if err := Install(t.Context(), o); err != nil || picture(t, home) != installed {
		t.Errorf("upgrade: %v\n%s", err, said)
	}
	// What a person has added since stays.
	path := filepath.Join(home, "etc/local_decoder.xml")
	write(t, path, read(t, path)+"<decoder name=\"later\"/>\n")
	if err := Uninstall(t.Context(), o); err != nil || read(t, path) != "<decoder name=\"later\"/>\n" {
		t.Fatalf("%v: %q", err, read(t, path))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if after := picture(t, home); after != before {
		t.Errorf("left\n%s\nof\n%s", after, before)
	}
}

// TestRefused: what cannot be done changes nothing and says what to do.
func TestRefused(t *testing.T) {
	manager := func(t *testing.T, harm func(home string)) string {
		home := engine(t, "OSSEC manager")
		harm(home)
		return home
	}
	conf := func(content string) func(home string) {
		return func(home string) { write(t, filepath.Join(home, "etc/ossec.conf"), content) }
	}
	for name, tt := range map[string]struct {
		home string
		edit func(o *Options)
		says string
	}{
		"nothing there":     {filepath.Join(t.TempDir(), "none"), nil, "neither OSSEC nor Wazuh"},
		"half":              {manager(t, func(home string) { os.Remove(filepath.Join(home, "bin/ossec-control")) }), nil, "half an installation"},
		"no daemon":         {manager(t, func(home string) { os.Remove(filepath.Join(home, "bin/ossec-analysisd")) }), nil, "half an installation"},
		"no configuration":  {manager(t, func(home string) { os.Remove(filepath.Join(home, "etc/ossec.conf")) }), nil, "half an installation"},
		"Wazuh 5":           {engine(t, "Wazuh 5"), nil, "elasticsearch output"},
		"JSON":              {engine(t, "OSSEC manager"), func(o *Options) { o.JSONLog = true }, "set it to syslog"},
		"no folder for log": {engine(t, "OSSEC manager"), func(o *Options) { o.LogPath = "/nowhere/alerts.log" }, "no folder"},
		"broken before":     {manager(t, conf(strings.Replace(serverConf, "no<", "BROKEN<", 1))), nil, "fix that first"},
		"no rules":          {manager(t, conf("<ossec_config/>\n")), nil, "no section <rules>"},
		"comment":           {manager(t, conf(serverConf+"<!-- ")), nil, "comment that does not end"},
		"UTF-16":            {manager(t, conf("<\x00o\x00")), nil, "not UTF-8"},
		"marks":             {manager(t, conf(serverConf+beginMark+"\n")), nil, "by hand"},
		"link": {manager(t, func(home string) {
			path := filepath.Join(home, "etc/local_decoder.xml")
			os.Rename(path, path+".real")
			os.Symlink(path+".real", path)
		}), nil, "symbolic link"},
		"folder in the way": {manager(t, func(home string) { os.MkdirAll(filepath.Join(home, "rules/flowhound_rules.xml"), 0o750) }), nil, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			o, said := options(t, tt.home)
			if tt.edit != nil {
				tt.edit(&o)
			}
			before := ""
			if exists(tt.home) {
				before = picture(t, tt.home)
			}
			err := Install(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %s\n%s", err, tt.says, said)
			}
			if before != "" && picture(t, tt.home) != before {
				t.Errorf("changed:\n%s\nwas\n%s", picture(t, tt.home), before)
			}
		})
	}
}

// What the engine rejects, and what ends in the middle, is put back.
func TestPutBack(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, home string) context.Context{
		"the engine rejects it": func(t *testing.T, home string) context.Context {
			// Fine without flowhound's rules, fatal with them.
			write(t, filepath.Join(home, "bin/ossec-logtest"), strings.Replace(logtest, "exit 0\n",
				"[ -f rules/flowhound_rules.xml ] && { echo 'ERROR: Duplicated rule ID:100900'; exit 1; }\nexit 0\n", 1))
			return t.Context()
		},
		"the engine says so and ends well": func(t *testing.T, home string) context.Context {
			write(t, filepath.Join(home, "bin/ossec-logtest"), strings.Replace(logtest, "exit 0\n",
				"[ -f rules/flowhound_rules.xml ] && echo 'ERROR: Duplicated rule ID:100900'\nexit 0\n", 1))
			return t.Context()
		},
		"the engine crashes": func(t *testing.T, home string) context.Context {
			write(t, filepath.Join(home, "bin/ossec-logtest"), strings.Replace(logtest, "exit 0\n", "[ -f rules/flowhound_rules.xml ] && kill -SEGV $$\nexit 0\n", 1))
			return t.Context()
		},
		"ctrl-C": func(t *testing.T, home string) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			write(t, filepath.Join(home, "bin/ossec-logtest"), strings.Replace(logtest, "exit 0\n", "[ -f rules/flowhound_rules.xml ] && sleep 60\nexit 0\n", 1))
			go func() {
				for !exists(filepath.Join(home, "rules/flowhound_rules.xml")) && ctx.Err() == nil {
					continue
				}
				cancel()
			}()
			t.Cleanup(cancel)
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := engine(t, "OSSEC manager")
			ctx := harm(t, home)
			before := picture(t, home)
			o, said := options(t, home)
			if err := Install(ctx, o); err == nil || !strings.Contains(err.Error(), "put back") && !errors.Is(err, context.Canceled) {
				t.Errorf("%v\n%s", err, said)
			}
			if after := picture(t, home); after != before {
				t.Errorf("left\n%s\nof\n%s", after, before)
			}
		})
	}
}

// A disk that is full before everything is written costs nothing. The disk is a
// real one, in memory.
func TestFullDisk(t *testing.T) {
	home := engine(t, "OSSEC manager")
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o750); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "none", disk).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: this user may not mount a small disk: %s", out)
	}
	defer exec.Command("umount", disk).Run()
	if out, err := exec.Command("cp", "-a", home, disk).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	home = filepath.Join(disk, "ossec")
	before := picture(t, home)
	o, said := options(t, home)
	if err := os.WriteFile(filepath.Join(disk, "fill"), make([]byte, 16<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "free some room") {
		t.Fatalf("%v\n%s", err, said)
	}
	if after := picture(t, home); after != before {
		t.Errorf("left\n%s\nof\n%s", after, before)
	}
	os.Remove(filepath.Join(disk, "fill"))
	if err := exec.Command("mount", "-o", "remount,ro", disk).Run(); err != nil {
		t.Fatal(err)
	}
	if err := Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "writable") {
		t.Errorf("read-only: %v", err)
	}
	if err := exec.Command("mount", "-o", "remount,rw,size=1m", disk).Run(); err != nil {
		t.Fatal(err)
	}
	if err := Install(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// Where OSSEC's installer has left word of its place it is found below a root.
func TestFind(t *testing.T) {
	root := t.TempDir()
	if _, err := Find(root, ""); !errors.Is(err, ErrNoEngine) || !strings.Contains(err.Error(), "/var/ossec") {
		t.Errorf("empty: %v", err)
	}
	home := engine(t, "OSSEC agent")
	if err := os.MkdirAll(filepath.Join(root, "opt"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(home, filepath.Join(root, "opt/ossec")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "etc/ossec-init.conf"), "DIRECTORY=\"/opt/ossec\"\nVERSION=\"v4.2.0\"\nTYPE=\"agent\"\n")
	e, err := Find(root, "")
	if err != nil || e.String() != "OSSEC 4.2.0 agent in /opt/ossec" {
		t.Errorf("%v, %v", e, err)
	}
	if err := os.MkdirAll(filepath.Join(root, "var/wazuh-manager"), 0o750); err != nil {
		t.Fatal(err)
	}
	if e, err := Find(root, ""); err != nil || e.Role != Agent { // beside a manager that reads no logs
		t.Errorf("an agent beside a manager of Wazuh 5: %v, %v", e, err)
	}
	if err := os.RemoveAll(filepath.Join(root, "opt")); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(root, ""); !errors.Is(err, ErrWazuh5) {
		t.Errorf("a manager of Wazuh 5 alone: %v", err)
	}
}

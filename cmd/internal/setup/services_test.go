package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// example returns a block of a page of the integrations.
func example(t *testing.T, page, words string) string {
	t.Helper()
	b, err := use(blocksOf(page, read(t, "../../../"+page)), page, words)
	if err != nil {
		t.Fatal(err)
	}
	return b.text
}

// must runs a script on a machine, and ends the test where it fails.
func (m *machine) must(t *testing.T, script string) (out string) {
	t.Helper()
	out, err := m.run(script)
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// debs is where packages lie that must not be installed on the host that tests: it would
// then have another service manager.
func debs(t *testing.T, names ...string) (paths []string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		found, _ := filepath.Glob(filepath.Join(cache, "flowhound-debs", name+"_*.deb"))
		if len(found) == 0 {
			peer.Missing(t, "no package %s in %s/flowhound-debs: apt-get download %[1]s there", name, cache)
		}
		paths = append(paths, found[len(found)-1])
	}
	return paths
}

// TestOpenRCRuns: install.sh, the page's commands, a crash, a wrong configuration and the
// removal on a machine that OpenRC runs.
func TestOpenRCRuns(t *testing.T) {
	t.Parallel()
	packages := debs(t, "openrc", "librc1", "libeinfo1")
	dir := complete(t)
	for _, deb := range packages {
		if out, err := exec.Command("dpkg", "-x", deb, filepath.Join(dir, "openrc")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	write(t, filepath.Join(dir, "init"), "while sleep 0.2; do :; done\n") // an init that only reaps
	m := power(t, dir, "/bin/bash /flowhound/init")
	m.must(t, `tar -C openrc -c . | tar -C / -x --keep-directory-symlink --no-overwrite-dir
printf 'rc_provide="net"\n' >>/etc/rc.conf
rm -f /etc/init.d/*.sh
mkdir -p /etc/runlevels/default /run/openrc; cd /run/openrc; mkdir starting started stopping inactive wasinactive failed hotplugged daemons options exclusive scheduled init.d tmp; echo default >softlevel`)
	before := m.must(t, `find /etc /usr/local /var/lib /var/log /run -xdev ! -path '/run/openrc*' ! -name '*-' ! -name '.pwd.lock' | sort`)
	out := m.must(t, `./install.sh`)
	if !strings.Contains(out, "wrote /etc/init.d/flowhound") {
		t.Error(out)
	}
	m.await(`flowhound status --json`)
	m.must(t, example(t, "integrations/openrc/README.md", "rc-update add"))
	m.await(`grep -q status=reloaded /var/log/flowhound/alerts.log`)
	m.must(t, `rc-service flowhound status; rc-update show default | grep flowhound`)
	m.must(t, `stat -c '%U %a' /run/flowhound | grep -x 'flowhound 700'`)
	m.must(t, `grep "^Uid:.$(id -u flowhound)" /proc/$(pgrep -o -x flowhound)/status`)
	m.must(t, `kill -9 $(pgrep -o -x flowhound)`)
	m.await(`[ $(grep -c status=started /var/log/flowhound/alerts.log) = 2 ] && flowhound status --json`)
	m.must(t, `echo 'nonsense: 1' >>/etc/flowhound/flowhound.yaml`)
	if out, err := m.run(`rc-service flowhound restart`); err == nil {
		t.Errorf("it starts with a wrong configuration:\n%s", out)
	}
	m.must(t, `./install.sh --uninstall --purge`)
	if after := m.must(t, `find /etc /usr/local /var/lib /var/log /run -xdev ! -path '/run/openrc*' ! -name '*-' ! -name '.pwd.lock' | sort`); after != before {
		t.Errorf("left is more than was there:\n%s\nbefore\n%s", after, before)
	}
}

// ansible is the playbook's run on a machine; what it changed stands in its last line.
const ansible = `cd /root && ANSIBLE_HOME=/root/.ansible ansible-playbook -i collectors, -c local -e ansible_python_interpreter="$PYTHON" site.yml `

// TestAnsible has the role, as its page has it, install a signed release, and then find
// nothing to do; a configuration with a mistake changes nothing.
func TestAnsible(t *testing.T) {
	t.Parallel()
	playbook := peer.Path(t, "ansible-playbook", "ansible-lint (pip install ansible-lint)")
	minisign := peer.Path(t, "minisign", "minisign")
	dir := complete(t)
	version := strings.Fields(mustOutput(t, filepath.Join(dir, "bin/flowhound"), "--version"))[1]
	page := example(t, "integrations/ansible/README.md", "cp -r integrations/ansible")
	copying, site, ok := strings.Cut(page, "\n\n# site.yml\n")
	if !ok {
		t.Fatal("the page's example has another form")
	}
	site = strings.Replace(site, "flowhound_version: 1.2.0", `flowhound_version: "`+version+`"`, 1)
	write(t, filepath.Join(dir, "site.yml"), site)
	m := boot(t, dir)
	m.must(t, `export MINISIGN=`+minisign+`
mkdir -p /srv/flowhound/dist; cd /srv/flowhound/dist
tree='flowhound-`+version+`-linux-'$(dpkg --print-architecture)
cp -r /flowhound "$tree"; rm -rf "$tree"/site.yml; tar -czf "$tree.tar.gz" "$tree"; rm -r "$tree"
sha256sum *.tar.gz >SHA256SUMS
$MINISIGN -G -W -p ../release.pub -s ../key >/dev/null && $MINISIGN -S -W -s ../key -m SHA256SUMS >/dev/null
ln -s $MINISIGN /usr/local/sbin/minisign 2>/dev/null || true
cd /root && ln -s /flowhound/integrations integrations && mkdir roles && cp /flowhound/site.yml . && `+copying)
	run := ansible
	for name, value := range map[string]string{"PYTHON": filepath.Join(filepath.Dir(playbook), "python3"), "PATH": filepath.Dir(playbook) + ":$PATH"} {
		run = name + "=" + value + "; export PATH; " + run
	}
	const vault = `-e '{"vault_otx_key": "not one"}' `
	recap := regexp.MustCompile(`collectors +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=(\d+)`)
	play := func(more string) (changed, failed, out string) {
		t.Helper()
		out, _ = m.run(run + vault + more)
		got := recap.FindStringSubmatch(out)
		if got == nil {
			t.Fatalf("%s: no end:\n%s", more, out)
		}
		return got[1], got[2], out
	}
	if changed, failed, out := play("--check"); changed == "0" || failed != "0" {
		t.Errorf("--check on a bare host:\n%s", out)
	}
	m.must(t, `[ ! -e /usr/local/bin/flowhound ]`)
	if changed, failed, out := play(""); changed == "0" || failed != "0" {
		t.Fatalf("the first run:\n%s", out)
	}
	m.must(t, `systemctl is-active flowhound && systemctl is-enabled flowhound
[ "$(stat -c '%U:%G %a' /etc/flowhound/otx.key)" = 'root:flowhound 640' ]
su -s /bin/sh flowhound -c 'flowhound check' >/dev/null
grep -q 'local: .10.0.0.0/8, 203.0.113.0/28.' /etc/flowhound/flowhound.yaml`)
	if changed, failed, out := play(""); changed != "0" || failed != "0" {
		t.Errorf("the second run changes something:\n%s", out)
	}
	if _, failed, out := play(`-e '{"flowhound_config": "feds: []\n"}'`); failed != "1" || !strings.Contains(out, "feds") {
		t.Errorf("a mistake in the configuration:\n%s", out)
	}
	m.must(t, `grep -q '203.0.113.0/28' /etc/flowhound/flowhound.yaml && systemctl is-active flowhound`)
}

func mustOutput(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

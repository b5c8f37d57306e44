package setup

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// program returns the path of flowhound, as a release has it.
func program(t testing.TB) string {
	t.Helper()
	peer.Long(t)
	return peer.Program(t, "cmd/flowhound")
}

// release lays out what a release has: install.sh, what it installs, and binaries.
func release(t testing.TB) (dir string) {
	t.Helper()
	program := program(t)
	dir = t.TempDir()
	for _, command := range []string{
		"mkdir -p $D/bin $D/cmd/internal/config $D/stub",
		"cp ../../../install.sh $D && cp -r ../../../integrations $D && cp ../config/example.yaml $D/cmd/internal/config",
		"cp " + program + " $D/bin && mkdir $D/man $D/completion && $D/bin/flowhound man $D/man >/dev/null",
		"cd $D/completion && ../bin/flowhound completion bash >flowhound.bash && ../bin/flowhound completion zsh >_flowhound && ../bin/flowhound completion fish >flowhound.fish",
		// What they do is not install.sh's business, nor is setting this host's kernel a test's.
		"for o in syslog elasticsearch webhook; do printf '#!/bin/sh\\n' >$D/bin/flowhound-output-$o; done; chmod +x $D/bin/*",
		"printf '#!/bin/sh\\nexit 0\\n' >$D/stub/sysctl; chmod +x $D/stub/sysctl",
	} {
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = append(os.Environ(), "D="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	return dir
}

func script(t *testing.T, dir string, args ...string) (out string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{filepath.Join(dir, "install.sh")}, args...)...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func TestScriptIntoFolder(t *testing.T) {
	t.Parallel()
	dir, root := release(t), t.TempDir()
	home := engine(t, "OSSEC agent")
	if out, err := exec.Command("sh", "-c", "mkdir -p "+root+"/var && mv "+home+" "+root+"/var/ossec").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	before := picture(t, root)
	out, err := script(t, dir, "--destdir", root, "--prefix", "/usr", "--dry-run")
	if err != nil || picture(t, root) != before || !strings.Contains(out, "would write /usr/bin/flowhound\n") {
		t.Fatalf("dry run: %v\n%s", err, out)
	}
	out, err = script(t, dir, "--destdir", root, "--prefix", "/usr")
	if err != nil || !strings.Contains(out, "wrote /var/ossec/etc/ossec.conf") {
		t.Fatalf("%v\n%s", err, out)
	}
	if unit := read(t, filepath.Join(root, "etc/systemd/system/flowhound.service")); !strings.Contains(unit, "ExecStart=/usr/bin/flowhound run\n") {
		t.Error(unit)
	}
	// What is somebody's own stays; what is ours follows.
	write(t, filepath.Join(root, "etc/flowhound/flowhound.yaml"), "feeds: [{name: mine, type: list, path: blacklist.txt}]\n")
	write(t, filepath.Join(root, "usr/lib/flowhound/flowhound-output-syslog"), "older")
	write(t, filepath.Join(root, "etc/flowhound/otx.key"), "secret")
	if err := os.Chmod(filepath.Join(root, "etc/flowhound/otx.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = script(t, dir, "--destdir", root, "--prefix", "/usr")
	if want := "wrote /usr/lib/flowhound/flowhound-output-syslog\nmade /etc/flowhound/otx.key private\nfound OSSEC 4.2.0 agent in /var/ossec\nit reads flowhound's lines already\n"; err != nil || out != want {
		t.Errorf("again: %v\n%s", err, out)
	}
	if out, err = script(t, dir, "--destdir", root, "--prefix", "/usr", "--uninstall"); err != nil || !exists(filepath.Join(root, "etc/flowhound/flowhound.yaml")) || exists(filepath.Join(root, "usr/bin/flowhound")) {
		t.Errorf("uninstall: %v\n%s", err, out)
	}
	if out, err = script(t, dir, "--destdir", root, "--prefix", "/usr", "--uninstall", "--purge"); err != nil {
		t.Errorf("purge: %v\n%s", err, out)
	}
	if left, err := exec.Command("sh", "-c", "cd "+root+" && find . -type f ! -path './var/ossec/*'").Output(); err != nil || len(left) > 0 {
		t.Errorf("left behind:\n%s", left)
	}
	if conf := read(t, filepath.Join(root, "var/ossec/etc/ossec.conf")); conf != "<ossec_config>\r\n</ossec_config>\r\n" {
		t.Errorf("%q", conf)
	}
}

// What fails in the middle is taken back.
func TestScriptTakesBack(t *testing.T) {
	t.Parallel()
	dir, root := release(t), t.TempDir()
	write(t, filepath.Join(root, "usr/local/bin/flowhound"), "older")
	write(t, filepath.Join(root, "etc/sysctl.d"), "in the way")
	before := read(t, filepath.Join(root, "usr/local/bin/flowhound"))
	out, err := script(t, dir, "--destdir", root)
	if err == nil || !strings.Contains(out, "undoing its changes") {
		t.Fatalf("%v\n%s", err, out)
	}
	left, err := exec.Command("sh", "-c", "cd "+root+" && find . -type f | sort").Output()
	if err != nil || string(left) != "./etc/sysctl.d\n./usr/local/bin/flowhound\n" || read(t, filepath.Join(root, "usr/local/bin/flowhound")) != before {
		t.Errorf("left:\n%s", left)
	}
}

func TestScriptUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--nonsense": "unknown option", "--prefix": "needs a folder", "--destdir here": "absolute", "--purge": "goes with --uninstall",
	} {
		out, err := script(t, "../../..", strings.Fields(args)...)
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 || !strings.Contains(out, want) || !strings.Contains(out, "usage:") { //nolint:errorlint // of Run
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	if out, err := exec.Command("shellcheck", "../../../install.sh").CombinedOutput(); err != nil {
		if path, missing := exec.LookPath("shellcheck"); missing == nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		} else if peer.Required() {
			t.Error("shellcheck is not installed (apt install shellcheck)")
		}
	}
}

// asRoot gives a script the real thing, as root, where nobody else sees it and where it
// sees nobody else: /etc is a copy, /usr/local, /var, /run and /tmp are new and in memory,
// and the network and the processes are its own. Layers over this host's folders would
// show what happens in them meanwhile, such as the work of other tests.
const asRoot = `set -e
ip link set lo up
mount --bind . /mnt && cd /mnt # the way here may lead through what is hidden now
mount -t tmpfs none /run
for d in /usr/local /var /tmp; do mount -t tmpfs -o mode=755 none $d; done
mkdir -p /usr/local/bin /usr/local/etc /usr/local/lib /usr/local/sbin /usr/local/share/man /var/cache /var/lib /var/log /var/mail /var/spool
ln -s /run /var/run && mkdir /var/tmp && chmod 1777 /tmp /var/tmp
cp -a /etc etc 2>/dev/null || [ -s etc/passwd ] # what goes while it is copied is no matter
mount --bind etc /etc
echo 212992 >rmem_max && mount --bind rmem_max /proc/sys/net/core/rmem_max # whatever this host has
cp stub/sysctl /usr/local/sbin/ # the system's own folders are all that install.sh looks into
rm -rf /etc/flowhound
userdel flowhound 2>/dev/null || true
cp -a /etc before.etc
no_trace() { # but for what useradd keeps of its own
	diff -rq before.etc /etc 2>/dev/null | grep -v -e 'passwd-' -e 'group-' -e 'shadow-' -e subgid -e subuid -e pwd.lock || echo "no trace is left"
}
`

// onHost is a host without a service manager.
const onHost = `sh install.sh
echo "-- owners --"
stat -c '%n %a %U:%G' /etc/flowhound /etc/flowhound/* /var/lib/flowhound /var/log/flowhound /usr/local/bin/flowhound
echo "-- run --"
su -s /bin/sh flowhound -c '/usr/local/bin/flowhound run & until grep -q status=started /var/log/flowhound/alerts.log; do sleep 0.1; done; kill $!; wait $!' 2>/dev/null
cat /var/log/flowhound/alerts.log
echo "-- uninstall --"
sh install.sh --uninstall --purge
for f in passwd group shadow gshadow; do diff before.etc/$f /etc/$f; done
ls /usr/local/bin/flowhound /usr/local/lib/flowhound /var/lib/flowhound /var/log/flowhound 2>&1 | grep -v 'No such file' || true
no_trace
`

// withSystemd is one with systemd, of which only the client is there: it tells
// what it was told, and that flowhound runs once it was started.
const withSystemd = `mkdir -p /run/systemd/system
cat >stub/systemctl <<'END'
#!/bin/sh
echo "systemctl $*"
case $* in
*is-active*) [ -e /run/active ] ;;
*"enable --quiet --now flowhound") touch /run/active ;;
esac
END
chmod +x stub/systemctl
cp stub/systemctl /usr/local/sbin/
echo "-- first --"
sh install.sh
printf 'exports:\n  - {format: plain, path: /var/lib/bind/list.txt}\n' >>/etc/flowhound/flowhound.yaml
echo "-- again --"
sh install.sh
cat /etc/systemd/system/flowhound.service.d/paths.conf
echo "-- upgrade --"
echo newer >>bin/flowhound-output-syslog
sh install.sh --upgrade
echo "-- uninstall --"
sh install.sh --uninstall --purge
no_trace
`

// inPrivate runs a script as root where it harms nobody.
func inPrivate(t *testing.T, script string) (out string) {
	t.Helper()
	if out, err := exec.Command("unshare", "-mnpf", "--mount-proc", "true").CombinedOutput(); err != nil || os.Geteuid() != 0 {
		t.Skipf("SKIPPED: this user may not make mount namespaces: %v %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-mnpf", "--mount-proc", "sh", "-c", asRoot+script)
	cmd.Dir = release(t)
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return string(b)
}

func TestScriptOnHost(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, onHost)
	for _, want := range []string{
		"(?m)^added the user flowhound$", "(?m)^/etc/flowhound 750 root:flowhound$", "(?m)^/etc/flowhound/flowhound.yaml 640 root:flowhound$",
		"(?m)^/var/log/flowhound 750 flowhound:flowhound$", "(?m)^/usr/local/bin/flowhound 755 root:root$",
		"agent status=started .*", "agent status=stopped ", "(?m)^removed the user flowhound$", "(?m)^no trace is left\n\\z",
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s is missing:\n%s", want, out)
		}
	}
}

func TestScriptWithSystemd(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, withSystemd)
	for _, want := range []string{
		"(?s)-- first --.*wrote /etc/systemd/system/flowhound.service\n.*systemctl daemon-reload\n.*systemctl enable --quiet --now flowhound\n.*-- again --",
		"(?s)-- again --.*wrote /etc/systemd/system/flowhound.service.d/paths.conf\n.*flowhound was not restarted.*ReadWritePaths=-/var/lib/bind\n.*-- upgrade --",
		"(?s)-- upgrade --\nwrote /usr/local/lib/flowhound/flowhound-output-syslog\nsystemctl daemon-reload\n.*systemctl restart flowhound\n.*-- uninstall --",
		"(?s)-- uninstall --.*systemctl disable --quiet --now flowhound flowhound-reload.path\n.*removed /etc/systemd/system/flowhound.service.d\n.*no trace is left\n\\z",
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s is missing:\n%s", want, out)
		}
	}
}

// hostile is a host on which install.sh must not do what others want of root: a
// flowhound that was taken over swaps its folder for a link while root upgrades, the
// caller's PATH and CDPATH lead elsewhere, and paths are links.
const hostile = `mkdir evil
for c in cp chown mktemp id sed cat mv; do
	printf '#!/bin/sh\necho %s >>%s/evil.log\nexec /usr/bin/%s "$@"\n' $c $PWD $c >evil/$c
	chmod +x evil/$c
done
(cd / && CDPATH=/tmp PATH=$OLDPWD/evil:$PATH sh "${OLDPWD#/}/install.sh") >/dev/null
[ ! -e evil.log ] || { echo "the caller's commands were run:"; sort -u evil.log; }

mkdir /etc/victim
swap=$(mktemp) && chmod 0644 $swap
cat >$swap <<'END'
cd /var/lib/flowhound || exit
rm -rf export; ln -sfn /etc/victim l; : >ready
end=$(($(date +%s) + 20))
until mv -T export "x$$" 2>/dev/null; do [ $(date +%s) -lt $end ] || exit; done
mv -T l export
END
for i in 1 2 3 4 5; do
	rm -rf /var/lib/flowhound/export /var/lib/flowhound/ready
	su -s /bin/sh flowhound -c "sh $swap" &
	until [ -e /var/lib/flowhound/ready ]; do sleep 0.05; done
	sh install.sh --upgrade >/dev/null 2>&1 || true # where the folder goes between two steps it fails
	wait
	[ "$(stat -c %U /etc/victim)" = root ] || echo "flowhound's user has root's folder"
done
rm -f /var/lib/flowhound/export $swap
rmdir /etc/victim
sh install.sh --uninstall --purge >/dev/null

echo "-- links --"
for link in /etc/flowhound /usr/local/bin/flowhound /etc/sysctl.d/60-flowhound.conf; do
	theirs=$(mktemp -d) && chmod 1777 $theirs && echo precious >$theirs/file
	case $link in /etc/flowhound) ln -s $theirs $link ;; *) ln -s $theirs/file $link ;; esac
	if sh install.sh >out 2>&1; then echo "$link was written through"; fi
	grep 'install.sh: ' out | grep -v 'undoing its changes'
	[ "$(ls $theirs) $(cat $theirs/file)" = "file precious" ] || echo "something was written behind $link"
	rm -rf $link $theirs
done
chmod 0777 /etc/sysctl.d
if sh install.sh >out 2>&1; then echo "root wrote where everyone may"; fi
grep 'install.sh: every' out
chmod 0755 /etc/sysctl.d
no_trace
`

func TestScriptTrustsNobody(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, hostile)
	want := `(?s)^-- links --
install.sh: everyone may write into \S+, so root does not: chmod o-w \S+
install.sh: /usr/local/bin/flowhound is a symbolic link, [^\n]*
install.sh: /etc/sysctl.d/60-flowhound.conf is a symbolic link, [^\n]*
install.sh: everyone may change /etc/sysctl.d, so root does not write into it: chmod o-w /etc/sysctl.d
no trace is left
$`
	if !regexp.MustCompile(want).MatchString(out) {
		t.Error(out)
	}
}

// interrupted is a signal before one of each STEP commands of the script, which Bash
// counts, until none is left; then a disk that is full. Nothing may be left behind.
const interrupted = snapshot + `count='n=0; trap "n=\$((n+1)); [ \$n -ne $STOP ] || kill -$SIGNAL \$\$" DEBUG; . ./install.sh'
mkdir tmp
export STOP=1 SIGNAL=TERM TMPDIR=$PWD/tmp
until bash -Tc "$count" ./install.sh >out 2>&1; do
	find /usr/local /var/lib /var/log tmp -newer before.etc -name '*flowhound*' -o -path 'tmp/*'
	diff -rq before.etc /etc 2>/dev/null | grep flowhound || true
	grep ^flowhound /etc/passwd || true
	look >after.look; diff before.look after.look || true
	STOP=$((STOP + STEP))
	if [ $SIGNAL = TERM ]; then SIGNAL=INT; else SIGNAL=TERM; fi # Ctrl-C is INT
done
grep -q '^done' out && [ $STOP -gt 200 ] || echo "it ended well at command $STOP: $(cat out)"
sh install.sh --uninstall --purge >/dev/null
mount -t tmpfs -o size=1M,mode=755 none /usr/local/bin
if sh install.sh >out 2>&1; then echo "it fitted"; fi
grep -q 'undoing its changes' out || cat out
find /usr/local /var/lib /var/log -newer before.etc -name '*flowhound*'
umount /usr/local/bin
look >after.look; diff before.look after.look || true
no_trace
`

func TestScriptInterrupted(t *testing.T) {
	t.Parallel()
	step := cmp.Or(os.Getenv("STEP"), strconv.Itoa(peer.Rounds(211, 29)))
	out := strings.ReplaceAll(inPrivate(t, "STEP="+step+"\n"+interrupted), "Terminated\n", "") // the shell's own word
	if out != "no trace is left\n" {
		t.Error(out)
	}
}

// packaged is what dpkg has the scripts of a package do; the folders of the package
// are made as it makes them.
const packaged = `cd integrations/packages
sh preinstall.sh install
install -d -m 0750 -o root -g flowhound /etc/flowhound
install -d -m 0750 -o flowhound -g flowhound /var/lib/flowhound /var/log/flowhound
sh postinstall.sh configure ''
stat -c '%n %a %U:%G' /var/lib/flowhound/export
sh postinstall.sh configure 1.0
echo kept >/etc/precious && mkdir /etc/dear && echo kept >/etc/dear/file
su -s /bin/sh flowhound -c 'cd /var/lib/flowhound && mkdir -p a/b && echo x >a/b/c && ln -s /etc/dear a/dear && ln -s /etc/precious p'
sh postremove.sh purge
cat /etc/precious /etc/dear/file && rm -r /etc/precious /etc/dear
ls /var/lib/flowhound /var/log/flowhound 2>&1 | grep -v 'No such file' || true
no_trace
`

func TestPackageScripts(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, packaged)
	if !regexp.MustCompile(`(?s)flowhound doctor\n/var/lib/flowhound/export 755 flowhound:flowhound\nkept\nkept\nno trace is left\n$`).MatchString(out) {
		t.Error(out)
	}
}

// snapshot has functions that compare the whole system before and after, with the
// kernel's value. What useradd keeps of its own is apart.
const snapshot = `cat >/usr/local/sbin/sysctl <<'END'
#!/bin/sh
case $* in
*-p*) sed -n 's/^net.core.rmem_max = //p' /etc/sysctl.d/60-flowhound.conf >/proc/sys/net/core/rmem_max ;;
*-w*) echo "${*##*=}" >/proc/sys/net/core/rmem_max ;;
esac
END
chmod 0755 /usr/local/sbin/sysctl
look() {
	find /etc /usr/local /var /run -xdev \( -name 'passwd-' -o -name 'group-' -o -name '*shadow-' -o -name 'sub?id*' -o -name '.pwd.lock' \) -prune -o \
		-type f -printf '%p %m %U:%G %s\n' -o -printf '%p %m %U:%G %y %l\n' | sort
	find /etc /usr/local/bin /usr/local/sbin /var/ossec -xdev -type f ! -name '*-' ! -name 'sub?id*' ! -name .pwd.lock 2>/dev/null | sort | xargs -d '\n' sha256sum
	cat /proc/sys/net/core/rmem_max
}
look >before.look
same() { look >after.look; diff before.look after.look && echo "$1: as it was"; }
engine() { # engine CONTENT: an OSSEC whose logtest rejects what says BROKEN
	mkdir -p /var/ossec/bin /var/ossec/etc /var/ossec/rules
	printf 'VERSION="v4.2.0"\n' >/var/ossec/bin/ossec-control
	cat >/var/ossec/bin/ossec-logtest <<'END'
#!/bin/sh
! grep -q BROKEN /var/ossec/etc/* /var/ossec/rules/* || { echo "ossec-testrule(1202): ERROR: Configuration error"; exit 1; }
END
	cp /var/ossec/bin/ossec-logtest /var/ossec/bin/ossec-analysisd
	chmod +x /var/ossec/bin/*
	printf '<ossec_config>\n  <rules>\n  </rules>\n</ossec_config>\n' >/var/ossec/etc/ossec.conf
	printf '%s\n' "$1" >/var/ossec/etc/local_decoder.xml
	look >before.look
}
`

// broken is an install that fails at the end, when all else is in place and runs.
const broken = snapshot + `engine BROKEN
if sh install.sh >out 2>&1; then echo "it went on"; fi
grep -q 'reports an error in its configuration as it is' out || cat out
grep 'everything is as it was before' out
same "broken engine"
mkdir -p /run/systemd/system
cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
case $* in
*is-active*) [ -e /tmp/active ] ;;
*"enable --quiet --now flowhound") : >/tmp/active; ln -s x /etc/systemd/system/enabled; su -s /bin/sh flowhound -c 'echo line >/var/log/flowhound/alerts.log; mkdir -p /var/lib/flowhound/journal; : >/var/lib/flowhound/lock' ;;
*"disable --quiet --now flowhound"*) rm -f /tmp/active /etc/systemd/system/enabled ;;
esac
END
chmod 0755 /usr/local/sbin/systemctl
mkdir -p /etc/systemd/system
look >before.look
if sh install.sh >out 2>&1; then echo "it went on"; fi
grep 'everything is as it was before' out
same "broken engine, and a service that had begun to write"
echo fine >/var/ossec/etc/local_decoder.xml
look >before.look
sh install.sh >out 2>&1 || cat out
grep -x 67108864 /proc/sys/net/core/rmem_max
sh install.sh >out 2>&1 || cat out # a second time does not take its own value for the former one
sh install.sh --uninstall --purge >out 2>&1 || cat out
grep 'set net.core.rmem_max to 212992 again' out
same "installed and purged"
`

func TestScriptBrokenEngine(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, broken)
	want := `everything is as it was before
broken engine: as it was
everything is as it was before
broken engine, and a service that had begun to write: as it was
67108864
set net.core.rmem_max to 212992 again
installed and purged: as it was
`
	if out != want {
		t.Error(out)
	}
}

// fullDisks are full at one place after the other; a full /usr/local/bin is in interrupted.
const fullDisks = snapshot + `for place in /usr/local/lib /etc/flowhound /etc/sysctl.d; do
	made=
	[ -d $place ] || { mkdir $place; made=yes; }
	mount -t tmpfs -o size=64k,mode=755 none $place
	dd if=/dev/zero of=$place/filler bs=4k 2>/dev/null || true
	[ $place != /etc/flowhound ] || : >$place/flowhound.yaml
	look >before.look
	if sh install.sh >out 2>&1; then echo "$place: it fitted"; cat out; fi
	same $place
	umount $place
	[ -z "$made" ] || rmdir $place
done
`

func TestScriptFullDisks(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, fullDisks)
	for _, place := range strings.Fields("/usr/local/lib /etc/flowhound /etc/sysctl.d") {
		if !strings.Contains(out, place+": as it was\n") {
			t.Errorf("%s: %s", place, out)
			return
		}
	}
}

// unwired are an engine in which decoders were pasted by hand, and one that is to be
// left alone: flowhound is installed all the same. Then it runs, without a service
// manager, while it is purged.
const unwired = snapshot + `engine '<decoder name="flowhound">
</decoder>'
sh install.sh >out 2>&1 || { echo "install.sh failed"; cat out; }
grep '^note: OSSEC' out
[ -x /usr/local/bin/flowhound ] && echo "the program is there"
sh install.sh --uninstall --purge >out 2>&1 || cat out
same "pasted"
engine fine
sh install.sh --no-ossec >out 2>&1 || cat out
grep '^OSSEC and Wazuh' out
grep -rl flowhound /var/ossec || echo "nothing of flowhound in it"
install -d -m 0700 -o flowhound -g flowhound /run/flowhound
if timeout 10 /usr/local/bin/flowhound run 2>err; then echo "root may run it"; fi
cat err
ls /var/lib/flowhound/lock 2>/dev/null || echo "root has left no lock"
su -s /bin/sh flowhound -c '/usr/local/bin/flowhound run' 2>/dev/null &
until [ -S /run/flowhound/control.sock ]; do sleep 0.1; done
sh install.sh --uninstall --purge >out 2>&1 || cat out
grep -o '^stopping flowhound' out
wait
same "purged while it ran"
`

func TestScriptUnwired(t *testing.T) {
	t.Parallel()
	out := inPrivate(t, unwired)
	want := `note: OSSEC or Wazuh was not changed: not wired: /var/ossec/etc/local_decoder.xml has decoder flowhound, pasted by hand, in lines 1 to 2: remove these lines, then: sudo flowhound install --restart
the program is there
pasted: as it was
OSSEC and Wazuh were not changed; to connect flowhound later: sudo /usr/local/bin/flowhound install --restart
nothing of flowhound in it
flowhound: data_dir /var/lib/flowhound belongs to flowhound, and root does not work in it: run this as that user, for example with sudo -u flowhound
root has left no lock
stopping flowhound
purged while it ran: as it was
`
	if out != want {
		t.Error(out)
	}
}

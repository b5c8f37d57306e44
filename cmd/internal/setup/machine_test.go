package setup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// machine is a host of its own, on which a test may install, break and remove what it
// likes: an upper layer in memory lies over this host's files, and the processes, the
// network and the control groups are its own. Its first process is systemd, so services
// run with all the limits of their units.
type machine struct {
	t   testing.TB
	pid int // of its first process
}

// bootScript makes a machine in the folder $1 and begins with the program $3 there. The
// folder $2 is /flowhound in it. What this host's packages start by themselves, they do not
// start there.
const bootScript = `set -e
mount -t tmpfs -o mode=755 none "$1"
cd "$1"
mkdir upper work root groups
mount -t cgroup2 none groups
mkdir groups/"$4"
echo 0 >groups/"$4"/cgroup.procs
mount -t overlay overlay -o lowerdir=/,upperdir="$1"/upper,workdir="$1"/work root
cd root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o mode=1777 none tmp
mount --rbind /dev dev
mkdir -p flowhound mnt
mount --bind "$2" flowhound
echo 212992 >run/rmem_max # in the kernel's place, which the test leaves alone
mount --bind run/rmem_max proc/sys/net/core/rmem_max
rm -rf var/ossec etc/ossec-init.conf etc/flowhound var/lib/flowhound var/log/flowhound usr/local/bin/flowhound usr/local/lib/flowhound etc/systemd/system/*.wants etc/systemd/system/*.requires
ln -sf /lib/systemd/system/multi-user.target etc/systemd/system/default.target
for u in systemd-udevd systemd-udev-trigger systemd-logind systemd-networkd systemd-resolved systemd-timesyncd systemd-sysctl systemd-random-seed systemd-machine-id-commit systemd-firstboot systemd-repart; do
	ln -sf /dev/null etc/systemd/system/$u.service
done
ln -sf /dev/null etc/systemd/system/getty.target
printf '#!/bin/sh\nexec "$@"\n' >usr/local/sbin/sudo
chmod 0755 usr/local/sbin/sudo
pivot_root . mnt
exec unshare -C sh -ec '
mount -t tmpfs none /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
umount -l /mnt
ip link set lo up
sed -i /^flowhound:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow
exec env -i container=flowhound-test PATH="$0" $1' "` + machinePath + `" "$3"
`

const machinePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// boot starts a machine whose /flowhound is dir, and waits until it has started.
func boot(t testing.TB, dir string) *machine {
	t.Helper()
	peer.Path(t, "systemctl", "systemd")
	m := power(t, dir, "/lib/systemd/systemd --system --show-status=0 --log-target=null")
	if out, err := m.within(2*time.Minute, "systemctl is-system-running | grep -qxE 'running|degraded'"); err != nil {
		t.Skipf("SKIPPED: systemd does not start on a machine of its own here: %v\n%s", err, out)
	}
	return m
}

// power makes a machine and runs its first process.
func power(t testing.TB, dir, first string) *machine {
	t.Helper()
	peer.Long(t)
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root makes machines of its own")
	}
	group := fmt.Sprintf("flowhound-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	cmd := exec.Command("unshare", "-mnpiuf", "--kill-child", "sh", "-c", bootScript, "sh", t.TempDir(), dir, first, group)
	var said strings.Builder
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		peer.Missing(t, "no machine of its own: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		ungroup(group)
	})
	m := &machine{t: t}
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Skipf("SKIPPED: no machine of its own can be had here: %s", said.String())
		default:
		}
		b, _ := os.ReadFile(children)
		m.pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", m.pid)); m.pid > 0 && strings.TrimSpace(string(comm)) == filepath.Base(strings.Fields(first)[0]) {
			return m
		}
	}
	t.Fatalf("no machine began: %s", said.String())
	return nil
}

// ungroup removes the control groups of a machine that is gone.
func ungroup(name string) {
	remove := `d=$(mktemp -d) && mount -t cgroup2 none "$d" || exit
for i in 1 2 3 4 5 6 7 8 9 10; do find "$d/$0" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d "$d/$0" ] || break; sleep 0.2; done
umount "$d" && rmdir "$d"`
	_ = exec.Command("unshare", "-m", "sh", "-c", remove, name).Run()
}

// run has a machine's root do a script, in the folder /flowhound.
func (m *machine) run(script string) (out string, err error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(m.pid), "-a", "-r/proc/"+strconv.Itoa(m.pid)+"/root", "-w/proc/"+strconv.Itoa(m.pid)+"/root/flowhound",
		"env", "-i", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8", "PATH="+machinePath, "sh", "-ec", script)
	cmd.WaitDelay = time.Minute // for what a script leaves running with its output
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// await waits until a script succeeds.
func (m *machine) await(script string) {
	m.t.Helper()
	if out, err := m.within(2*time.Minute, script); err != nil {
		m.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// within does a script again and again until it succeeds, for so long.
func (m *machine) within(limit time.Duration, script string) (out string, err error) {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if out, err = m.run(script); err == nil {
			return out, nil
		}
	}
	return out, err
}

// complete is a release with the outputs themselves, which release only stands in for.
func complete(t testing.TB) (dir string) {
	t.Helper()
	dir = release(t)
	if out, err := exec.Command("cp", "../../../README.md", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, o := range strings.Fields("syslog elasticsearch webhook") {
		peer.InstallProgram(t, "plugin/"+o, filepath.Join(dir, "bin"))
	}
	return dir
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

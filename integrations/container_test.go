package integrations_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// containScript starts the image that is unpacked in $1/root, as compose.yaml says: a root
// that cannot be written to, the folders of the host over its own, a network of its own,
// the image's user and no capability.
const containScript = `set -e
mount --make-rprivate /
cd "$1"
mkdir -p root/proc root/dev
mount --bind root root
mount -t tmpfs -o mode=1777 none root/tmp
mount -t tmpfs -o mode=1777 none root/run
mount --bind etc root/etc/flowhound
mount -o remount,bind,ro root/etc/flowhound
mount --bind data root/var/lib/flowhound
mount --bind logs root/var/log/flowhound
mount -t proc proc root/proc
mount -o remount,bind,ro root
ip link set lo up
exec env -i PATH="$PATH" setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
	chroot --userspec=65532:65532 --groups= root /usr/bin/flowhound run
`

// unpackImage writes an image's layer into a folder, with its owners.
func unpackImage(t *testing.T, imagePath, root string) {
	t.Helper()
	content, err := os.ReadFile(imagePath)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := untar(t, bytes.NewReader(content))
	var layer []byte
	for name, c := range files {
		if z, err := gzip.NewReader(bytes.NewReader(c)); err == nil {
			if layer, err = io.ReadAll(z); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	for in := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err := errors.Join(err, os.Chown(path, h.Uid, h.Gid), os.Chmod(path, h.FileInfo().Mode())); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImageRuns starts the image of a release as an engine does, has the health check of
// compose.yaml ask it, and a flow raise a hit.
func TestImageRuns(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	unshare := peer.Path(t, "unshare", "util-linux")
	python := peer.Path(t, "python3", "python3")
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root starts an image")
	}
	if out, err := exec.CommandContext(t.Context(), unshare, "-mnpf", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no namespaces can be had here: %v %s", err, out)
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the image's user passes
		t.Fatal(err)
	}
	programs := filepath.Join(dir, "programs")
	for _, p := range []string{"cmd/flowhound", "plugin/syslog"} {
		peer.InstallProgram(t, p, programs)
	}
	packed := filepath.Join(dir, "flowhound.oci.tar")
	if out, err := exec.CommandContext(t.Context(), python, "../.ci/image", packed, "1.2.0", "2026-11-28T12:00:00Z", "amd64="+programs).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, owner := range map[string]int{"root": 0, "etc": 0, "data": 65532, "logs": 65532} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chown(path, owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	unpackImage(t, packed, filepath.Join(dir, "root"))
	for _, name := range []string{"flowhound.yaml", "blacklist.txt"} { // a user's own begins as the image's
		b, err := os.ReadFile(filepath.Join(dir, "root/etc/flowhound", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "etc", name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	var said bytes.Buffer
	engine := exec.CommandContext(t.Context(), unshare, "-mnpf", "--kill-child", "sh", "-c", containScript, "sh", dir)
	engine.Stdout, engine.Stderr = &said, &said
	engine.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- engine.Wait() }()
	first := 0
	inside := func(args ...string) (string, error) {
		all := append([]string{"-t", strconv.Itoa(first), "-m", "-n", "-p", "-r", "-w", "-S", "65532", "-G", "65532"}, args...)
		out, err := exec.CommandContext(t.Context(), "nsenter", all...).CombinedOutput()
		return string(out), err
	}
	health := healthCheck(t)
	healthy := func() bool {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(engine.Process.Pid) + "/task/" + strconv.Itoa(engine.Process.Pid) + "/children")
		if first, _ = strconv.Atoi(strings.TrimSpace(string(b))); first == 0 {
			return false
		}
		_, err := inside(health...)
		return err == nil
	}
	for deadline := time.Now().Add(2 * time.Minute); !healthy(); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, said.String())
		default:
		}
		if time.Now().After(deadline) {
			out, err := inside(health...)
			t.Fatalf("not healthy: %v %s\n%s", err, out, said.String())
		}
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(first) + "/status")
	for _, line := range []string{"Uid:\t65532\t65532", "Gid:\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"} {
		if err != nil || !strings.Contains(string(status), "\n"+line) {
			t.Errorf("it does not run with %q: %v\n%s", line, err, status)
		}
	}
	if out, err := inside("/usr/bin/flowhound", "test"); err != nil {
		t.Errorf("flowhound test: %v\n%s", err, out)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs/alerts.log"))
	if err != nil || !strings.Contains(string(log), " hit kind=new ") {
		t.Errorf("the volume of the log: %v\n%s", err, log)
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("SIGTERM: %v\n%s", err, said.String())
		}
	case <-time.After(2 * time.Minute):
		t.Error("it does not stop")
	}
}

// healthCheck returns the command of compose.yaml, which the quadlet has too.
func healthCheck(t *testing.T) []string {
	t.Helper()
	var compose struct {
		Services map[string]struct{ Healthcheck struct{ Test []string } }
	}
	if err := yaml.Unmarshal([]byte(read(t, "container/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	test := compose.Services["flowhound"].Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" {
		t.Fatalf("the health check of compose.yaml is %q", test)
	}
	if quadlet := `HealthCmd=["` + strings.Join(test[1:], `","`) + `"]`; !strings.Contains(read(t, "container/flowhound.container"), quadlet) {
		t.Errorf("the quadlet has no line %s", quadlet)
	}
	return test[1:]
}

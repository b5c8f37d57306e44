package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tmpfs mounts one of size bytes at dir/name.
func (l *lab) tmpfs(name string, size int) (string, error) {
	at := filepath.Join(l.dir, name)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return "", err
	}
	if err := syscall.Mount("none", at, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		return "", fmt.Errorf("%w: mounting a small disk: %w (needs root)", errSkipped, err)
	}
	l.cleanup = append(l.cleanup, func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
	return at, nil
}

// fill takes what is free below dir and returns what gives it back.
func fill(dir string) (free func(), err error) {
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for size := 64 << 10; size > 0; size /= 8 {
		for {
			if _, err := f.Write(bytes.Repeat([]byte{'x'}, size)); err != nil {
				break
			}
		}
	}
	return func() { _ = os.Remove(path) }, nil
}

// fullDisk fills the disk of the data, of the log, or both. While a disk is full
// hits still go where there is room, the trouble is in /healthz, and when there is
// room again no hit is missing and flows are kept.
func fullDisk(l *lab) (string, error) {
	data, err := l.tmpfs("data", 12<<20)
	if err != nil {
		return "", err
	}
	logs, err := l.tmpfs("log", 4<<20)
	if err != nil {
		return "", err
	}
	l.dataDir, l.logDir = data, logs
	if err := l.start(); err != nil {
		return "", err
	}
	if err := l.hits(50); err != nil {
		return "", err
	}
	if _, err := l.agree(1); err != nil {
		return "", fmt.Errorf("before: %w", err)
	}
	which := []string{data, logs, data + " " + logs}[l.rand.IntN(3)]
	var freeAll []func()
	for dir := range strings.FieldsSeq(which) {
		free, err := fill(dir)
		if err != nil {
			return "", err
		}
		freeAll = append(freeAll, free)
	}
	before := len(l.sink.seen())
	if err := l.hits(100); err != nil {
		return "", err
	}
	if err := l.wait("hits at the sink with a full disk", 20*time.Second, func() bool { return len(l.sink.seen()) > before }); err != nil {
		return "", fmt.Errorf("%s: %w; health %s", which, err, l.health())
	}
	if err := l.wait("the full disk in /healthz", 20*time.Second, func() bool { _, code := l.get("/healthz"); return code == 503 }); err != nil {
		return "", fmt.Errorf("%s: %w; health %s", which, err, l.health())
	}
	for _, free := range freeAll {
		free()
	}
	kept := l.metric("flowhound_history_records_total")
	if err := l.hits(50); err != nil {
		return "", err
	}
	if err := l.wait("flows to be kept again", 30*time.Second, func() bool {
		_ = l.hits(1)
		return l.metric("flowhound_history_records_total") > kept
	}); err != nil {
		return "", fmt.Errorf("%s was full: %w; health %s", which, err, l.health())
	}
	seen, err := l.agree(before)
	if err != nil {
		return "", fmt.Errorf("%s was full: %w", which, err)
	}
	return seen + ", full: " + strings.ReplaceAll(which, l.dir+"/", ""), nil
}

// strace runs the agent below strace, which makes system calls fail or wait.
func (l *lab) strace(inject ...string) error {
	path, err := exec.LookPath("strace")
	if err != nil {
		return fmt.Errorf("%w: strace is not installed", errSkipped)
	}
	l.wrap = []string{path, "-f", "-qq", "-o", "/dev/null"}
	for _, i := range inject {
		call, _, _ := strings.Cut(i, ":")
		l.wrap = append(l.wrap, "-e", "trace="+call, "-e", "inject="+i)
	}
	return nil
}

// badDisk has every fsync, or one write in many to a file, fail with EIO. Hits go
// on to log and sink, and the trouble is said.
func badDisk(l *lab) (string, error) {
	if err := l.strace("fsync,fdatasync:error=EIO"); err != nil {
		return "", err
	}
	if err := l.start(); err != nil {
		return "", err
	}
	if err := l.hits(60); err != nil {
		return "", err
	}
	seen, err := l.agree(1)
	if err != nil {
		return "", fmt.Errorf("fsync fails: %w", err)
	}
	if err := l.wait("the failing fsync in /healthz", 15*time.Second, func() bool { _, code := l.get("/healthz"); return code == 503 }); err != nil {
		return "", fmt.Errorf("%w; health %s", err, l.health())
	}
	return seen + ", every fsync failed", nil
}

// slowDisk has every fsync take 300 ms: hits are late by less than two seconds,
// and no datagram is dropped.
func slowDisk(l *lab) (string, error) {
	if err := l.strace("fsync,fdatasync:delay_enter=300000"); err != nil {
		return "", err
	}
	if err := l.start(); err != nil {
		return "", err
	}
	began := time.Now()
	if err := l.hits(300); err != nil {
		return "", err
	}
	seen, err := l.agree(1)
	took := time.Since(began).Round(time.Millisecond)
	if drops := l.metric("flowhound_udp_drops_total"); err == nil && drops > 0 {
		err = fmt.Errorf("%.0f datagrams dropped", drops)
	}
	return fmt.Sprintf("%s after %s", seen, took), err
}

// flip changes bytes of every state file of an agent that was killed. The next one
// starts, says that something was wrong, and works.
func flip(l *lab) (string, error) {
	if err := l.start(); err != nil {
		return "", err
	}
	l.sink.set("500") // so that the journal holds something
	if err := l.hits(100); err != nil {
		return "", err
	}
	time.Sleep(1500 * time.Millisecond)
	if err := l.signal(syscall.SIGKILL); err != nil {
		return "", err
	}
	flipped, err := l.flipAll()
	if err != nil {
		return "", err
	}
	l.sink.set("")
	if err := l.start(); err != nil {
		return "", fmt.Errorf("after flipping %d bytes: %w", flipped, err)
	}
	before := len(l.sink.seen())
	if err := l.hits(50); err != nil {
		return "", err
	}
	if err := l.wait("new hits at the sink", 30*time.Second, func() bool { return len(l.sink.seen()) > before }); err != nil {
		return "", fmt.Errorf("after flipping %d bytes: %w; health %s", flipped, err, l.health())
	}
	errs, _ := os.ReadFile(filepath.Join(l.dir, "stderr"))
	lines, _ := os.ReadFile(l.log())
	switch {
	case bytes.Contains(errs, []byte("panic: ")):
		return "", fmt.Errorf("panic after flipping %d bytes", flipped)
	case !bytes.Contains(errs, []byte("level=WARN")) && !bytes.Contains(errs, []byte("level=ERROR")) && !bytes.Contains(lines, []byte("status=error")):
		return "", fmt.Errorf("%d flipped bytes and nobody says so: %s", flipped, l.lastWords())
	}
	return fmt.Sprintf("%d bytes flipped, %d ids at the sink", flipped, len(l.sink.seen())), nil
}

// flipAll flips a bit in one to four places of each file below the data folder.
func (l *lab) flipAll() (n int, err error) {
	err = filepath.WalkDir(l.dataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		for range 1 + l.rand.IntN(4) {
			b[l.rand.IntN(len(b))] ^= 1 << l.rand.IntN(8)
			n++
		}
		return os.WriteFile(path, b, 0o600)
	})
	return n, err
}

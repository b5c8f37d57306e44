package setup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

const (
	wantBuffer = 64 << 20 // bytes of net.core.rmem_max
	minFree    = 1 << 30  // bytes of a disk
	minShare   = 20       // a disk is low below one part in so many
)

// examineHost looks at what the kernel says of this host.
func examineHost(l *finding.List, root, logDir, dataDir string) {
	examineBuffers(l, root)
	examineClock(l)
	examineDisks(l, logDir, dataDir)
}

func examineBuffers(l *finding.List, root string) {
	b, err := os.ReadFile(filepath.Join(root, "proc/sys/net/core/rmem_max"))
	if err != nil {
		return // not Linux, or no /proc: then there is nothing to set either
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	switch {
	case err != nil:
	case n < wantBuffer:
		l.Warn("echo net.core.rmem_max=67108864 > /etc/sysctl.d/flowhound.conf && sysctl --system",
			"net.core.rmem_max is %d, so a burst of flows fills the socket's buffer; it should be %d", n, wantBuffer)
	default:
		l.OK("net.core.rmem_max is %d", n)
	}
}

func examineClock(l *finding.List) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		l.Warn("timedatectl set-ntp true", "this host's clock is not synchronised: lines and flows may have wrong times")
	default:
		l.OK("the clock is synchronised")
	}
}

func examineDisks(l *finding.List, logDir, dataDir string) {
	for _, place := range []struct{ what, dir string }{{"the alert log", logDir}, {"data_dir", dataDir}} {
		var s unix.Statfs_t
		if err := unix.Statfs(place.dir, &s); err != nil {
			l.Bad(fmt.Sprintf("install -d -o flowhound -g flowhound %s", place.dir), "%s: %s: %v", place.what, place.dir, err)
			continue
		}
		free, all := s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize)
		if free < minFree && free < all/minShare {
			l.Bad("df -h "+place.dir, "the disk of %s (%s) is nearly full: %d MiB are free", place.what, place.dir, free>>20)
			continue
		}
		l.OK("%s: %d GiB are free in %s", place.what, free>>30, place.dir)
	}
}

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Foreign refuses that a command of root's works in a data_dir of another user: that
// user could lead root anywhere through a link, and could not read what root made.
// A folder that is not there yet belongs to nobody.
func Foreign(dir string) error { return foreign("data_dir", dir) }

// ForeignAgent refuses that root runs an agent with folders of another user: what it
// made there that user's service could not open afterwards. folders are what the
// configuration calls them, and their paths.
func ForeignAgent(folders [][2]string) error {
	for _, f := range folders {
		if err := foreign(f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

func foreign(what, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	name := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return fmt.Errorf("%s %s belongs to %s, and root does not work in it: run this as that user, for example with sudo -u %s", what, dir, name, name)
}

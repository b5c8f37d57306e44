package setup

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// Folders are those of an agent, as its configuration names them, and its alert log.
type Folders struct{ Data, Log, Run string }

// serviceUser is the user that install.sh makes.
const serviceUser = "flowhound"

// ExamineOwners says what of the agent's folders and of what lies in them belongs to
// others than the one that runs it, or is open to others. That one is whose data_dir
// is; where root made it on a host that has flowhound's user, it is that user.
func ExamineOwners(f Folders) (l finding.List) {
	uid, ok := owner(f.Data)
	if !ok {
		return l // what is missing or closed is said elsewhere
	}
	if uid == 0 {
		if u, err := user.Lookup(serviceUser); err == nil && f.Data == "/var/lib/flowhound" {
			if n, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
				uid = uint32(n)
			}
		}
	}
	name := nameOf(uid)
	good := true
	for _, d := range []struct{ what, path string }{{"data_dir", f.Data}, {"the alert log's folder", filepath.Dir(f.Log)}, {"run_dir", f.Run}} {
		good = examineOwner(&l, d.what, d.path, uid, name) && good
	}
	good = examineInside(&l, filepath.Join(f.Data, "*"), uid, name) && examineInside(&l, f.Log+"*", uid, name) && good
	if good {
		l.OK("the agent's folders belong to %s", name)
	}
	return l
}

// examineOwner looks at one folder.
func examineOwner(l *finding.List, what, path string, uid uint32, name string) (good bool) {
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	// A group that may write is the operator's own arrangement.
	if is, ok := owner(path); ok && is != uid && info.Mode().Perm()&0o020 == 0 {
		l.Bad(fmt.Sprintf("sudo chown -R %[1]s:%[1]s %s", name, path), "%s %s belongs to %s, so flowhound, which runs as %s, cannot write there", what, path, nameOf(is), name)
		return false
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 {
		l.Bad("sudo chmod o-w "+path, "everyone on this host may change %s %s (mode %04o)", what, path, mode)
		return false
	}
	return true
}

// examineInside looks at the files that match pattern: a flowhound that root has run
// once leaves some that the service cannot open.
func examineInside(l *finding.List, pattern string, uid uint32, name string) (good bool) {
	files, _ := filepath.Glob(pattern)
	for _, path := range files {
		is, ok := owner(path)
		if !ok || is == uid {
			continue
		}
		l.Bad(fmt.Sprintf("sudo chown -R %[1]s:%[1]s %s", name, filepath.Dir(pattern)), "%s belongs to %s, so flowhound, which runs as %s, cannot open it", path, nameOf(is), name)
		return false // one is enough: the command is for all
	}
	return true
}

func owner(path string) (uid uint32, ok bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

func nameOf(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

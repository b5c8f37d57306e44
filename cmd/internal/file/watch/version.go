package watch

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// MaxFiles is how many files of a folder count at most.
const MaxFiles = 10_000

// version tells one content of a file or folder from the next without reading it. The
// zero version is one that is not there or cannot be opened.
type version struct {
	sum    uint64 // of each file's name, identity, size and time
	size   int64  // of all files
	folder bool
}

// look opens the file, because no other way tells whether its reader may: modes,
// owners, access lists and folders have a say in it. Of a folder it only asks.
func look(path string) version {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return lookInto(path)
	}
	f, info, err := file.Open(path)
	if err != nil {
		return version{}
	}
	_ = f.Close()
	v := version{size: info.Size()}
	h := fnv.New64a()
	stamp(h, "", info)
	v.sum = h.Sum64()
	return v
}

// lookInto is look for a folder.
func lookInto(path string) version {
	v := version{folder: true}
	names, err := Names(path)
	if err != nil {
		return v
	}
	h := fnv.New64a()
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.Mode().IsRegular() {
			stamp(h, name, info)
			v.size += info.Size()
		}
	}
	v.sum = h.Sum64()
	return v
}

// stamp adds one file to a sum.
func stamp(h io.Writer, name string, info fs.FileInfo) {
	var ino, dev any
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		ino, dev = st.Ino, st.Dev
	}
	_, _ = fmt.Fprintf(h, "%s\x00%d %d %v %v\n", name, info.Size(), info.ModTime().UnixNano(), ino, dev) // a hash takes all
}

// Names returns the names of a folder that do not hide and that no editor or copy leaves
// behind for a moment, sorted, one more than MaxFiles at most.
func Names(path string) ([]string, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	var names []string
	for len(names) <= MaxFiles {
		some, err := dir.Readdirnames(1000)
		for _, name := range some {
			if !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") && !strings.HasSuffix(name, ".tmp") {
				names = append(names, name)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return names, nil
}

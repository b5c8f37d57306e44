package file

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks bounds the symbolic links of one path, as Linux does.
const maxLinks = 40

// Folders returns the folders in which a change can change what is read at path:
// that of the file, and that of each symbolic link on the way. Kubernetes mounts
// f -> ..data/f and ..data -> ..2026_11_28, and swaps the second link;
// configuration management links a file to one elsewhere. What does not exist ends
// the way. Watch all of them.
func Folders(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	var folders []string
	add := func(folder string) {
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	add(filepath.Dir(path))
	for range maxLinks {
		link, rest := firstLink(path)
		if link == "" {
			break
		}
		target, err := os.Readlink(link)
		if err != nil {
			break
		}
		add(filepath.Dir(link))
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		path = filepath.Join(target, rest)
	}
	add(filepath.Dir(path))
	return folders
}

// firstLink returns the first part of a path that is a symbolic link, and what
// follows it.
func firstLink(path string) (link, rest string) {
	at := len(filepath.VolumeName(path)) + 1
	for at <= len(path) {
		end := strings.IndexRune(path[at:], filepath.Separator)
		if end < 0 {
			end = len(path) - at
		}
		part := path[:at+end]
		if info, err := os.Lstat(part); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return part, path[at+end:]
		}
		at += end + 1
	}
	return "", ""
}

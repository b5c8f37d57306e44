package host

import (
	"io/fs"
	"syscall"
)

// ownerOf returns the user id of a file's owner, -1 when it cannot be told.
func ownerOf(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}

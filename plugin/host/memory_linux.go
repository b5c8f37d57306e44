package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What a plugin may take of the memory, in bytes: an idle one takes 20 MB. From
// softMemory on, Go's runtime in it works hard to give memory back; above
// maxMemory the process is ended and started again; at hardMemory the kernel
// gives it no more, should it get there within the second between two looks.
const (
	softMemory = 384 << 20
	maxMemory  = 512 << 20
	hardMemory = 1 << 30
)

// limit has the kernel refuse memory to process pid, and choose it before
// flowhound when the machine has no more. Where that cannot be set, looking at it
// (residentBytes) must do.
func limit(pid int) {
	_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: hardMemory, Max: hardMemory}, nil)
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
}

// residentBytes returns how much memory process pid has, 0 when it cannot be told.
func residentBytes(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b)) // proc(5): size resident shared ..., in pages
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

//go:build !linux

package host

import (
	"sync/atomic"
	"syscall"
)

const (
	guardEnv = ""
	orderAll = syscall.SIGKILL
)

// guards is false: only Linux has reapers other than init.
var guards atomic.Bool

// Guard does nothing: there are no guards on this system.
func Guard() {}

func wakeWithoutUs(*syscall.SysProcAttr) {}

//go:build !linux

package main

import (
	"context"
	"syscall"
	"time"
)

// userTimeout does nothing: only Linux has such a timeout.
func userTimeout(time.Duration) func(context.Context, string, string, syscall.RawConn) error {
	return nil
}

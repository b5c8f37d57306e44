//go:build !linux

package main

import "syscall"

// dieWithTest is Linux' alone.
func dieWithTest() *syscall.SysProcAttr { return nil }

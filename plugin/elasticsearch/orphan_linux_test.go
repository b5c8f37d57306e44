package main

import (
	"os/exec"
	"syscall"
)

// dieWithTest ends a program that the tests started with them, even when they are
// killed.
func dieWithTest(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

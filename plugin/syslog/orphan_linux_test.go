package main

import "syscall"

// dieWithTest ends a program that the tests started with them, even when they are
// killed.
func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

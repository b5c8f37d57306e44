// Package integrations holds, one folder per outside system, the snippets that
// let that system use what flowhound writes, and a README.md that says where they
// go. It is data only: nothing here runs, and nothing is installed unasked.
package integrations

import "embed"

// Files are the folders, such as bind/README.md and bind/zones.conf. Paths in the
// snippets are those of Debian's packages and of flowhound's defaults.
//
//go:embed */*
var Files embed.FS

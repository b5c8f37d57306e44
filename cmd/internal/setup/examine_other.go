//go:build !linux

package setup

import "github.com/flowhound/flowhound/cmd/internal/finding"

// examineHost has nothing to say: the agent runs on Linux only.
func examineHost(*finding.List, string, string, string) {}

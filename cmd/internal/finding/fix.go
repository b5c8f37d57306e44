package finding

import (
	"strings"

	"github.com/flowhound/flowhound/plugin/text"
)

// command is what begins with a program that a fix may name. A sentence may begin with
// such a word, too: the word that follows tells.
var command = text.Pattern(`^(?:sudo |flowhound [a-z]|sysctl -|systemctl |tcpdump -|timedatectl |journalctl |install -|(?:df|ss|dig|ping|ls|iostat) -|dmesg \||chown |chmod |echo |/[a-z]+/)`)

// Steps splits Fix into what to do by hand, a command, and what to do then: any of them
// may be empty. A page offers only the command to be copied.
func (f *Finding) Steps() (advice, run, then string) {
	before := 0
	for {
		rest := f.Fix[before:]
		if command().MatchString(rest) && (before == 0 || rest[0] != '/') {
			advice, run = strings.TrimRight(f.Fix[:before], ": "), rest
			break
		}
		at := strings.Index(rest, ": ")
		if at < 0 {
			return f.Fix, "", ""
		}
		before += at + 2
	}
	for _, end := range []string{", ", "; see ", " ("} {
		if at := strings.Index(run, end); at >= 0 {
			run, then = run[:at], strings.Trim(run[at:], ",; ()")+then
		}
	}
	return advice, run, then
}

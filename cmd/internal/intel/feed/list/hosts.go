package list

import (
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// hosts reads one line of a hosts file: the names behind the address are the
// indicators, and the address is where the list sends them.
func (p *parser) hosts(line string) {
	body, comment := cutComment(line)
	words := strings.Fields(body)
	if len(words) < 2 || !isAddress(words[0]) {
		p.count(ingest.Unreadable, line)
		return
	}
	i := p.template
	if name := ingest.Text(comment, ingest.MaxName); name != "" {
		i.Name = name
	}
	for _, name := range words[1:] {
		if isOwnName(name) {
			p.understood++
			continue
		}
		p.take(name, i)
	}
}

// isSinkhole reports whether a line that begins with word and goes on with a
// name is one of a hosts file.
func isSinkhole(word string) bool {
	switch word {
	case "0.0.0.0", "127.0.0.1", "::", "::0", "::1":
		return true
	}
	return false
}

// isOwnName knows the names that every hosts file has for the host itself.
func isOwnName(name string) bool {
	switch strings.ToLower(name) {
	case "localhost", "localhost.localdomain", "local", "broadcasthost", "localhost4", "localhost6",
		"localhost4.localdomain4", "localhost6.localdomain6", "0.0.0.0":
		return true
	}
	return strings.HasPrefix(name, "ip6-")
}

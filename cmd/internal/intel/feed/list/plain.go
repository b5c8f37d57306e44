package list

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// plain reads one line of a plain list. Besides the bare indicator it knows:
//
//	192.0.2.1 # comment            and ; comment: the comment becomes the name
//	192.0.2.0-192.0.2.9            a range, with blanks around the dash too
//	Bad org:192.0.2.0-192.0.2.9    PeerGuardian: the name before the range
//	192.0.2.1,x,y  192.0.2.1 x y   the rest is not looked at
//	192.0.2.1 TAB 3                IPsum: on how many lists it stands
//	START TAB END TAB 24 TAB ...   DShield's block list
//	ExitAddress 192.0.2.1 DATE     Tor's exit addresses
//	0.0.0.0 bad.example            the hosts format, unless the format is plain
func (p *parser) plain(line string) {
	body, comment := cutComment(line)
	i := p.template
	if name := ingest.Text(comment, ingest.MaxName); name != "" {
		i.Name = name
	}
	if !strings.ContainsAny(body, " \t,") {
		p.take(body, i)
		return
	}
	if name, span, ok := cutNamedRange(body); ok {
		if name = ingest.Text(name, ingest.MaxName); name != "" {
			i.Name = name
		}
		p.take(span, i)
		return
	}
	if columns := strings.Split(body, "\t"); len(columns) > 1 && p.tabbed(columns, i) {
		return
	}
	word, rest := cutWord(body)
	switch {
	case word == "ExitAddress":
		word, rest = cutWord(rest)
		i.LastSeen = ingest.When(rest)
	case word == "ExitNode" || word == "Published" || word == "LastStatus":
		return
	case p.Format == Auto && isSinkhole(word) && !strings.HasPrefix(rest, ","):
		p.hosts(line)
		return
	}
	p.take(word, i)
}

// tabbed reads the dialects of DShield and IPsum, and reports whether it was one.
func (p *parser) tabbed(columns []string, i intel.Indicator) bool {
	if len(columns) >= 3 {
		if columns[0] == "Start" && columns[1] == "End" {
			return true // DShield's header
		}
		if _, err := strconv.ParseUint(columns[2], 10, 8); err != nil || !isAddress(columns[0]) || !isAddress(columns[1]) {
			return false
		}
		if len(columns) >= 5 {
			if name := ingest.Text(columns[4], ingest.MaxName); name != "" {
				i.Name = name
			}
		}
		p.take(columns[0]+"-"+columns[1], i)
		return true
	}
	n, err := strconv.ParseUint(columns[1], 10, 8)
	if err != nil || n == 0 || n >= 100 {
		return false
	}
	i.Score = listedScore(int(n))
	p.take(strings.TrimSpace(columns[0]), i)
	return true
}

// listedScore is the score of an address that stands on n other lists, as IPsum
// counts them. IPsum advises to block from 3 on, which gives 60, what an
// indicator of unknown confidence has; 7 lists and more give 95.
func listedScore(n int) uint8 {
	scores := [...]uint8{30, 45, 60, 70, 80, 90, 95}
	return scores[min(n, len(scores))-1]
}

// cutComment splits a line at the first # or ;. In a URL both may occur, so
// there a blank must stand before them.
func cutComment(line string) (body, comment string) {
	from := 0
	for {
		at := strings.IndexAny(line[from:], "#;")
		if at < 0 {
			return line, ""
		}
		at += from
		if line[at-1] == ' ' || line[at-1] == '\t' || !strings.Contains(line[:at], "://") {
			return strings.TrimSpace(line[:at]), strings.TrimLeft(line[at:], "#; \t")
		}
		from = at + 1
	}
}

// cutWord splits off what stands before the first blank or comma. Of the rest
// only leading blanks are cut, so that the comma can be seen.
func cutWord(s string) (word, rest string) {
	at := strings.IndexAny(s, " \t,")
	if at < 0 {
		return s, ""
	}
	return s[:at], strings.TrimLeft(s[at:], " \t")
}

// cutNamedRange splits "name:first-last", the name and blanks around the dash
// optional.
func cutNamedRange(s string) (name, span string, ok bool) {
	if _, _, ok := cutRange(s); ok {
		return "", s, true
	}
	dash := strings.LastIndexByte(s, '-')
	if dash < 0 {
		return "", "", false
	}
	colon := strings.LastIndexByte(s[:dash], ':')
	if colon < 0 {
		return "", "", false
	}
	_, _, ok = cutRange(s[colon+1:])
	return s[:colon], s[colon+1:], ok
}

// cutRange reads "first-last".
func cutRange(s string) (first, last netip.Addr, ok bool) {
	dash := strings.LastIndexByte(s, '-')
	if dash < 0 {
		return first, last, false
	}
	first, err1 := netip.ParseAddr(strings.TrimSpace(s[:dash]))
	if err1 != nil {
		return first, last, false
	}
	last, err2 := netip.ParseAddr(strings.TrimSpace(s[dash+1:]))
	return first, last, err2 == nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

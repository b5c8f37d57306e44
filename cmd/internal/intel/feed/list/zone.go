package list

import (
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// isZone tells a zone file, such as a response policy zone (RPZ), from its sample.
func isZone(sample []line) bool {
	records := 0
	for _, l := range sample {
		words := strings.Fields(strings.ToUpper(l.raw))
		if len(words) > 1 && (words[0] == "$TTL" || words[0] == "$ORIGIN" || words[0] == "@" && slices.Contains(words, "SOA")) {
			return true
		}
		if at := slices.Index(words, "CNAME"); at > 0 && at < 4 && at+2 == len(words) {
			records++
		}
	}
	return records*2 > len(sample)
}

// zone reads zone files: every owner of a record is an indicator, unless the record
// lets it pass. It knows $ORIGIN, and that a record's parentheses go over lines.
type zone struct {
	p      *parser
	origin string // with a leading dot: cut from owners that end in it
	within bool   // in parentheses
	last   string // the owner taken last: most stand twice, as x and *.x
}

func (z *zone) line(raw string) {
	body, comment, _ := strings.Cut(raw, ";")
	words := strings.Fields(body)
	opens, closes := strings.Contains(body, "("), strings.Contains(body, ")")
	switch {
	case z.within:
		z.within = !closes
		return
	case len(words) == 0:
		return
	case words[0] == "$ORIGIN" && len(words) > 1:
		z.origin = "." + strings.Trim(words[1], ".")
		return
	case words[0][0] == '$', body[0] == ' ', body[0] == '\t': // of the owner before, and no policy
		z.within = opens && !closes
		return
	}
	z.within = opens && !closes
	owner, rest := strings.ToLower(words[0]), words[1:]
	for len(rest) > 0 && (rest[0] == "IN" || rest[0] == "in" || isDigits(rest[0])) {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		z.p.count(ingest.Unreadable, raw)
		return
	}
	kind, target := strings.ToUpper(rest[0]), strings.ToLower(strings.Join(rest[1:], " "))
	switch kind {
	case "SOA":
		if owner != "@" && z.origin == "" {
			z.origin = "." + strings.Trim(owner, ".")
		}
		return
	case "CNAME", "A", "AAAA", "TXT", "MX", "DNAME":
	default:
		return // NS and the like are the zone's own
	}
	z.owner(owner, target, ingest.Text(comment, ingest.MaxName))
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// owner takes the name or address that a policy is about.
func (z *zone) owner(owner, target, comment string) {
	absolute := strings.HasSuffix(owner, ".")
	owner = strings.TrimSuffix(owner, ".")
	if absolute {
		owner = strings.TrimSuffix(owner, z.origin)
	}
	name, _ := strings.CutPrefix(owner, "*.")
	switch {
	case owner == "@", owner == strings.TrimPrefix(z.origin, "."):
		return
	case strings.HasPrefix(target, "rpz-passthru"), target == owner+".", strings.HasSuffix(target, "*."+name+".") && name == owner:
		z.p.count(ingest.Benign, owner)
		return
	case name == z.last:
		z.p.understood++
		return
	}
	z.last = name
	if address, ok := strings.CutSuffix(name, ".rpz-ip"); ok {
		if name = rpzAddress(address); name == "" {
			z.p.count(ingest.Unreadable, owner)
			return
		}
	} else if strings.HasSuffix(name, ".rpz-client-ip") || strings.HasSuffix(name, ".rpz-nsip") || strings.HasSuffix(name, ".rpz-nsdname") {
		z.p.count(ingest.Unsupported, owner)
		return
	}
	i := z.p.template
	if comment != "" {
		i.Name = comment
	}
	z.p.take(name, i)
}

// rpzAddress turns "24.0.2.0.192" and "128.1.zz.db8.2001" around, "" for what is neither.
func rpzAddress(owner string) string {
	labels := strings.Split(owner, ".")
	slices.Reverse(labels)
	last := len(labels) - 1
	if last < 1 {
		return ""
	}
	bits, parts := labels[last], labels[:last]
	if len(parts) == 4 && !slices.Contains(parts, "zz") {
		return strings.Join(parts, ".") + "/" + bits
	}
	text := strings.Join(parts, ":")
	if at := slices.Index(parts, "zz"); at >= 0 {
		text = strings.Join(parts[:at], ":") + "::" + strings.Join(parts[at+1:], ":")
	}
	return text + "/" + bits
}

package taxii

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// match calls take for each indicator that a pattern names, i being what its
// object says of all, and leave for each alternative that is not understood. One
// that is understood half is not used: what is left of it would match too much.
func match(pattern string, i intel.Indicator, take func(i intel.Indicator, text string), leave func(why ingest.Reason, text string)) {
	ways, err := alternatives(pattern)
	if err != nil {
		leave(ingest.Unsupported, pattern)
		return
	}
	given := 0
	for _, w := range ways {
		m, why := w.understand()
		if given += len(m.values) * max(len(m.ports), 1); why == "" && given > maxAlternatives {
			why = ingest.OverLimit
		}
		if why != "" {
			leave(why, pattern)
			continue
		}
		i := i
		if w.start.After(i.FirstSeen) {
			i.FirstSeen = w.start
		}
		if !w.stop.IsZero() && (i.Expires.IsZero() || w.stop.Before(i.Expires)) {
			i.Expires = w.stop
		}
		m.each(i, take, leave)
	}
}

// meaning is what a way names: any of values, on any of ports.
type meaning struct {
	values []comparison // one value each
	ports  []uint16     // none: any
}

// each emits what is meant.
func (m *meaning) each(base intel.Indicator, take func(i intel.Indicator, text string), leave func(why ingest.Reason, text string)) {
	ports := m.ports
	if len(ports) == 0 {
		ports = []uint16{0}
	}
	for _, port := range ports {
		for _, c := range m.values {
			i := base
			i.Port = port
			if why := observe(c, &i); why != "" {
				leave(why, c.values[0])
			} else {
				take(i, c.values[0])
			}
		}
	}
}

// understand finds what a way names. It must be one thing; a name and the addresses
// behind it (resolves_to_refs; the two forms of one dst_ref in MISP's objects) are
// one. The rest may say what changes nothing: of which type that thing is, the
// protocol, when the connection was, MISP's own notes. Anything else that has to hold makes the
// whole not understood.
func (w *way) understand() (m meaning, why ingest.Reason) {
	if w.several {
		return m, ingest.Unsupported
	}
	of := "" // the path of the values
	for _, c := range w.all {
		switch {
		case c.not:
			return m, ingest.Unsupported
		case isNote(&c):
		case names(&c):
			if of != "" && (of != c.path || c.path != dstValue && c.path != srcValue) {
				return m, ingest.Unsupported
			}
			of = c.path
			for _, v := range c.values {
				one := c
				one.values = []string{v}
				m.values = append(m.values, one)
			}
		case c.path == "network-traffic:dst_port" && (c.op == "=" || c.op == "IN") && (c.kind == text || c.kind == word):
			if m.ports != nil {
				return m, ingest.Unsupported // two at once
			}
			for _, v := range c.values {
				n, err := strconv.ParseUint(v, 10, 16)
				if err != nil || n == 0 {
					return m, ingest.Unreadable
				}
				m.ports = append(m.ports, uint16(n))
			}
		default:
			return m, ingest.Unsupported
		}
	}
	if of == "" || !w.fits(of) {
		return m, ingest.Unsupported
	}
	if of == srcValue {
		m.ports = nil // the port is the attacked host's, not the indicator's
	}
	return m, ""
}

// fits reports whether what a way says of types goes with values at path.
func (w *way) fits(path string) bool {
	for _, c := range w.all {
		side, isType := strings.CutSuffix(c.path, "_ref.type")
		if !isType {
			continue
		}
		if side+"_ref.value" != path || !slices.Contains([]string{"ipv4-addr", "ipv6-addr", "domain-name"}, c.values[0]) {
			return false
		}
	}
	return true
}

const (
	dstValue = "network-traffic:dst_ref.value"
	srcValue = "network-traffic:src_ref.value"
)

// isNote reports whether a comparison narrows nothing that flows could be held
// against.
func isNote(c *comparison) bool {
	if c.op != "=" && c.op != "IN" {
		return false
	}
	switch c.path {
	case "network-traffic:dst_ref.type", "network-traffic:src_ref.type":
		return c.op == "=" && c.kind == text // fits looks at it
	case "network-traffic:start", "network-traffic:end", "domain-name:resolves_to_refs[*].value", "domain-name:resolves_to_refs[*].type":
		return true
	}
	return strings.HasPrefix(c.path, "network-traffic:protocols[") || strings.Contains(c.path, ":x_misp_")
}

// names reports whether a comparison names addresses, domains or URLs.
func names(c *comparison) bool {
	if c.kind != text {
		return false
	}
	exact := c.op == "=" || c.op == "IN" || c.op == "LIKE" && isPlainLike(c.values[0])
	switch c.path {
	case "ipv4-addr:value", "ipv6-addr:value", dstValue, srcValue:
		return exact || c.op == "ISSUBSET"
	case "domain-name:value":
		return exact || c.op == "LIKE" && isPlainLike(strings.TrimPrefix(c.values[0], "%."))
	case "url:value":
		return exact
	}
	return false
}

// isPlainLike reports whether the value of LIKE has no wildcard.
func isPlainLike(s string) bool { return !strings.ContainsAny(s, "%_") }

// observe reads a value, which must be what its path says. Of the two families
// of addresses, and of addresses and domains, people mistake one for the other; the
// value says which it is.
func observe(c comparison, i *intel.Indicator) ingest.Reason {
	value, port := c.values[0], i.Port
	if c.op == "LIKE" {
		value = strings.TrimPrefix(value, "%")
	}
	if c.path == "url:value" && !strings.Contains(value, "://") {
		value = "http://" + value
	}
	if why := ingest.Parse(value, i); why != "" {
		return why
	}
	fits := false
	switch address := i.Prefix.IsValid(); c.path {
	case "ipv4-addr:value", "ipv6-addr:value":
		fits = address
	case "domain-name:value", dstValue, srcValue:
		fits = address || i.Domain != "" && c.op != "ISSUBSET"
	case "url:value":
		fits = i.URL != ""
	}
	if !fits || i.Port != port && port != 0 { // one port in the value, another beside it
		return ingest.Unreadable
	}
	return ""
}

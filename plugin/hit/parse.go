package hit

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// errNoHit is what ParseLine says of anything but the body of a hit's line.
var errNoHit = errors.New("hit: this is not a line of a hit")

// behindSuffix is how many stand behind a coarse line, at the end of its name.
var behindSuffix = text.Pattern(`^(.*?) ?\(\+(\d{1,18}) sources, (\d{1,18}) targets\)$`)

// ParseLine reads the body of a line that AppendLine wrote, "hit kind=new ...". It
// knows of the hit what the line has room for: the other remarks stay in Name, Local
// and Remote are told from the direction and the IOC, and Time is the end of what was
// seen.
func ParseLine(body string) (*Hit, error) {
	rest, ok := strings.CutPrefix(body, "hit ")
	if !ok {
		return nil, errNoHit
	}
	h := &Hit{}
	for _, key := range lineKeys {
		value := ""
		if rest, ok = strings.CutPrefix(rest, key.name+"="); ok {
			value, rest, ok = strings.Cut(rest, " ")
		}
		if !ok {
			return nil, errNoHit
		}
		if value == "-" {
			value = ""
		}
		if err := key.read(h, value); err != nil {
			return nil, fmt.Errorf("hit: %s: %w", key.name, err)
		}
	}
	rest, ok = strings.CutPrefix(rest, `ref="`)
	ref, rest, more := strings.Cut(rest, `" name="`)
	name, end := strings.CutSuffix(rest, `"`)
	if !ok || !more || !end {
		return nil, errNoHit
	}
	h.Ref, h.Name = strings.TrimPrefix(ref, "-"), strings.TrimPrefix(name, "-")
	if m := behindSuffix().FindStringSubmatch(h.Name); m != nil {
		h.Name = m[1]
		h.Sources, _ = strconv.Atoi(m[2]) // digits, and few
		h.Targets, _ = strconv.Atoi(m[3])
	}
	h.Time = h.End
	h.Local, h.Remote = h.Src, h.Dst
	if h.Direction == Inbound || h.Direction == Transit || h.IOC.Contains(h.Src) && !h.IOC.Contains(h.Dst) {
		h.Local, h.Remote = h.Dst, h.Src
	}
	return h, nil
}

// lineKeys are the keys of a line up to its free text, in order.
var lineKeys = []struct {
	name string
	read func(h *Hit, value string) error
}{
	{"kind", func(h *Hit, v string) error { h.Kind = Kind(v); return nil }},
	{"sev", func(h *Hit, v string) error { return h.Severity.UnmarshalText([]byte(v)) }},
	{"dir", func(h *Hit, v string) error { h.Direction = Direction(v); return nil }},
	{"state", func(h *Hit, v string) error { h.State = State(v); return nil }},
	{"cat", func(h *Hit, v string) error { h.Category = v; return nil }},
	{"feed", func(h *Hit, v string) error { h.Feed = v; return nil }},
	{"ioc", func(h *Hit, v string) error {
		var i ioc
		if v == "" {
			return nil
		}
		err := i.UnmarshalText([]byte(v))
		h.IOC = i.Prefix
		return err
	}},
	{"score", func(h *Hit, v string) (err error) { h.Score, err = strconv.Atoi(v); return err }},
	{"src", func(h *Hit, v string) (err error) { h.Src, err = parseAddr(v); return err }},
	{"sport", func(h *Hit, v string) (err error) { h.SrcPort, err = parsePort(v); return err }},
	{"dst", func(h *Hit, v string) (err error) { h.Dst, err = parseAddr(v); return err }},
	{"dport", func(h *Hit, v string) (err error) { h.DstPort, err = parsePort(v); return err }},
	{"proto", func(h *Hit, v string) error {
		var p proto
		err := p.UnmarshalText([]byte(v))
		h.Proto = uint8(p)
		return err
	}},
	{"count", func(h *Hit, v string) (err error) { h.Count, err = strconv.ParseUint(v, 10, 64); return err }},
	{"bytes", func(h *Hit, v string) (err error) { h.Bytes, err = strconv.ParseUint(v, 10, 64); return err }},
	{"pkts", func(h *Hit, v string) (err error) { h.Packets, err = strconv.ParseUint(v, 10, 64); return err }},
	{"cc", func(h *Hit, v string) error { h.Country = v; return nil }},
	{"exporter", func(h *Hit, v string) (err error) { h.Exporter, err = parseAddr(v); return err }},
	{"seen", func(h *Hit, v string) (err error) {
		if v == "" {
			return nil
		}
		from, to, _ := strings.Cut(v, "/")
		if h.Start, err = time.Parse(time.RFC3339, from); err == nil {
			h.End, err = time.Parse(time.RFC3339, to)
		}
		return err
	}},
	{"id", func(h *Hit, v string) error { h.ID = v; return nil }},
}

func parseAddr(v string) (netip.Addr, error) {
	if v == "" {
		return netip.Addr{}, nil
	}
	return netip.ParseAddr(v)
}

func parsePort(v string) (int, error) {
	if v == "" {
		return NoPort, nil
	}
	n, err := strconv.ParseUint(v, 10, 16)
	return int(n), err
}

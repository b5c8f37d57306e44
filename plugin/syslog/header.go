package main

import (
	"strconv"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// severities maps a hit's severity to syslog's (RFC 5424 section 6.2.1, table 2):
// informational, notice, warning, error, critical. Emergency and alert are left
// to those who speak of the receiver's own health.
var severities = [hit.NumSeverities]int{hit.Info: 6, hit.Low: 5, hit.Medium: 4, hit.High: 3, hit.Critical: 2}

const (
	maxHost = 64 // Linux' HOST_NAME_MAX
	maxTag  = 32 // RFC 3164 section 4.1.3
	maxApp  = 48 // RFC 5424 section 6.2.5

	// maxHead3164 is what the longest header and our longest line, which was
	// made for a header of its own, have in 1024 bytes with a priority before it.
	maxHead3164 = len("Jan _2 15:04:05 ") + maxHost + len(" flowhound[2147483647]: ") - len("<191>")
)

// header is what comes before every message's payload.
type header struct {
	format   string
	facility int
	host     string // "": none, as on a local socket
	app      string
	pid      int
	sd       string // the name of the structured data, or ""
	tagless  bool   // CEF and LEEF are their own tag in RFC 3164
}

func (hd *header) append(b []byte, h *plugin.Hit) []byte {
	sev := severities[hit.Info]
	if int(h.Severity) < len(severities) {
		sev = severities[h.Severity]
	}
	b = strconv.AppendInt(append(b, '<'), int64(hd.facility*8+sev), 10)
	if hd.format == format5424 {
		return hd.append5424(append(b, ">1 "...), h)
	}
	return hd.append3164(append(b, '>'), h)
}

// append3164 follows RFC 3164 section 4.1, in local time. The host name is cut so
// that any of our lines fits behind it.
func (hd *header) append3164(b []byte, h *plugin.Hit) []byte {
	t := emitted(h)
	if t.IsZero() {
		t = time.Now()
	}
	b = append(t.Local().AppendFormat(b, time.Stamp), ' ')
	if hd.host != "" {
		fixed := len("Jan _2 15:04:05 ") + len(" [2147483647]: ") + len(hd.app)
		b = append(text.Host.Append(b, hd.host, min(maxHost, maxHead3164-fixed)), ' ')
	}
	if hd.tagless {
		return b
	}
	b = append(text.Host.Append(b, hd.app, maxTag), '[')
	return append(strconv.AppendInt(b, int64(int32(hd.pid)), 10), "]: "...)
}

// append5424 follows RFC 5424 section 6, in UTC. There is no byte order mark
// before the payload: few receivers take it off, and most patterns begin with ^.
func (hd *header) append5424(b []byte, h *plugin.Hit) []byte {
	if t := emitted(h).UTC(); t.IsZero() {
		b = append(b, '-')
	} else {
		b = t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	}
	if hd.host == "" {
		b = append(b, " -"...)
	} else {
		b = text.Host.Append(append(b, ' '), hd.host, maxHost)
	}
	b = text.Host.Append(append(b, ' '), hd.app, maxApp)
	b = strconv.AppendInt(append(b, ' '), int64(int32(hd.pid)), 10)
	b = append(b, " hit "...)
	if hd.sd == "" {
		return append(b, "- "...)
	}
	return append(appendSD(b, hd.sd, h), ' ')
}

// emitted is the time of h, zero when it has none that a header can hold.
func emitted(h *plugin.Hit) time.Time {
	t := h.Time
	if t.IsZero() {
		t = h.Last
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

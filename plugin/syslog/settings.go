package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// The values of format, payload and framing.
const (
	format3164 = "rfc3164"
	format5424 = "rfc5424"

	payloadLine = "line"
	payloadKV   = "kv"
	payloadJSON = "json"
	payloadCEF  = "cef"
	payloadLEEF = "leef"

	framingLF    = "lf"
	framingOctet = "octet"
)

// The bounds of max_size in bytes. The least of each format leaves room for our
// line behind the longest header.
const (
	minSize3164 = 1024 // RFC 3164 section 4.1: the most a message has
	minSize5424 = 2048 // RFC 5424 section 6.1: what receivers should take
	minSizeSD   = 4096 // with sd_id, as the hit stands in the message twice
	defaultSize = 8192 // what receivers do take: rsyslog's default
	maxSize     = 65000
)

// facilities are the names of RFC 5424 section 6.2.1, table 1, as syslog.conf
// has them.
var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// udpPace is the default of pace for UDP: a burst must not overflow the receiver's
// buffer, which by default takes some hundred messages and drops the rest.
const udpPace = 200 * time.Microsecond

// target is a parsed address.
type target struct {
	scheme string // udp tcp tls unix unixgram
	addr   string // host:port, or a path
	host   string // "" for a path
}

func (t target) datagram() bool { return t.scheme == "udp" || t.scheme == "unixgram" }
func (t target) local() bool    { return t.scheme == "unix" || t.scheme == "unixgram" }

var defaultPorts = map[string]string{"udp": "514", "tcp": "514", "tls": "6514"}

func parseAddress(s string) (target, error) {
	const want = `such as "udp://host:514", "tcp://host:514", "tls://host:6514", "unix:///path" or "unixgram:///dev/log"`
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("%q is not an address %s", s, want)
	}
	t := target{scheme: u.Scheme}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return target{}, fmt.Errorf("is not an address %s", want) // what stands there may be a secret
	}
	if t.local() {
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return target{}, fmt.Errorf("%q needs an absolute path, %s", s, want)
		}
		t.addr = filepath.Clean(u.Path)
		return t, nil
	}
	port, known := defaultPorts[u.Scheme]
	if !known || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return target{}, fmt.Errorf("%q is not an address %s", s, want)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	t.host, t.addr = u.Hostname(), net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// sdID is a name for structured data: one that IANA has registered, or
// name@number with the private enterprise number of whoever uses it (RFC 5424
// section 6.3.2). Only the second kind has room for a hit's keys.
var sdID = regexp.MustCompile(`^[!#-<>?A-\\^-~]{1,20}@[0-9]{1,10}$`)

// Validate checks what the tags of single settings cannot say.
func (o *output) Validate() error {
	t, err := parseAddress(o.Address)
	if err != nil {
		return wrong("address", err.Error())
	}
	var errs []error
	if t.datagram() && o.Framing != "" {
		errs = append(errs, wrong("framing", "has no meaning for "+t.scheme+", where each message is a datagram; remove it"))
	}
	if t.scheme != "tls" {
		for _, s := range []struct{ key, value string }{{"ca_file", o.CAFile}, {"cert_file", o.CertFile}, {"key_file", o.KeyFile}, {"server_name", o.ServerName}} {
			if s.value != "" {
				errs = append(errs, wrong(s.key, "has a meaning for tls:// addresses only"))
			}
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		errs = append(errs, wrong("cert_file", "needs key_file, and the other way round"))
	}
	format := o.formatFor(t)
	if o.StructuredData != "" {
		switch {
		case format != format5424:
			errs = append(errs, wrong("sd_id", "has a meaning for format rfc5424 only"))
		case !sdID.MatchString(o.StructuredData):
			errs = append(errs, wrong("sd_id", "want name@number with your private enterprise number, such as flowhound@12345"))
		}
	}
	if format == format3164 && len(o.AppName) > maxTag {
		errs = append(errs, wrong("app_name", fmt.Sprintf("is too long; RFC 3164 takes %d characters", maxTag)))
	}
	if least := leastSize(format, o.StructuredData != ""); o.MaxSize != 0 && o.MaxSize < least {
		errs = append(errs, wrong("max_size", fmt.Sprintf("%d is too small; the least is %d", o.MaxSize, least)))
	}
	return errors.Join(errs...)
}

func wrong(key, message string) error { return plugin.Problem{Key: key, Message: message} }

func leastSize(format string, sd bool) int {
	switch {
	case format == format3164:
		return minSize3164
	case sd:
		return minSizeSD
	}
	return minSize5424
}

// formatFor is the format setting or its default: RFC 5425, syslog over TLS,
// asks for RFC 5424; receivers of the rest know the older one best.
func (o *output) formatFor(t target) string {
	switch {
	case o.Format != "":
		return o.Format
	case t.scheme == "tls":
		return format5424
	}
	return format3164
}

// framingFor is the framing setting or its default: RFC 5425 has octet counting,
// while OSSEC's and Wazuh's receivers, and most others on TCP, split at LF.
func (o *output) framingFor(t target) string {
	switch {
	case t.datagram():
		return ""
	case o.Framing != "":
		return o.Framing
	case t.scheme == "tls":
		return framingOctet
	}
	return framingLF
}

func (o *output) sizeFor(format string) int {
	switch {
	case o.MaxSize != 0:
		return o.MaxSize
	case format == format3164:
		return minSize3164
	}
	return defaultSize
}

func (o *output) paceFor(t target) time.Duration {
	switch {
	case o.Pace != nil:
		return *o.Pace
	case t.scheme == "udp":
		return udpPace
	}
	return 0
}

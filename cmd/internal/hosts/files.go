package hosts

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/plugin/text"
)

// Named is an address and its name.
type Named struct {
	Addr  netip.Addr
	Name  string
	Lease bool // for a while: the address may have been another's yesterday
}

const (
	maxFile  = 64 << 20 // bytes of a file that is read
	maxNames = 1 << 20  // of one file
	maxName  = 253      // bytes, as in the DNS
)

// ReadFile reads a hosts file, or leases of dnsmasq, ISC DHCP or Kea as they are at now.
// Which of them it is, the content tells. Lines that say nothing are left out.
func ReadFile(path string, now time.Time) ([]Named, error) {
	content, err := file.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	names := Parse(content, now)
	if len(names) > maxNames {
		return nil, fmt.Errorf("%s has %d names; the most is %d", path, len(names), maxNames)
	}
	return names, nil
}

// Parse is ReadFile for content.
func Parse(content []byte, now time.Time) []Named {
	switch {
	case bytes.HasPrefix(content, []byte("address,hwaddr,")) || bytes.HasPrefix(content, []byte("address,duid,")):
		return parseKea(content, now)
	case isISC(content):
		return parseISC(content, now)
	}
	var out []Named
	for line := range bytes.Lines(content) {
		fields := strings.Fields(strings.SplitN(string(line), "#", 2)[0])
		if len(fields) < 2 {
			continue
		}
		if ended, err := strconv.ParseInt(fields[0], 10, 64); err == nil { // dnsmasq: expiry, MAC or IAID, address, name, id
			if len(fields) >= 4 && (ended == 0 || time.Unix(ended, 0).After(now)) {
				out = add(out, fields[2], fields[3], true)
			}
			continue
		}
		out = add(out, fields[0], fields[1], false)
	}
	return out
}

// add adds a name, unless either is none.
func add(out []Named, address, name string, lease bool) []Named {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return out
	}
	a = a.Unmap().WithZone("")
	if name = clean(name); name == "" || a.IsLoopback() || a.IsUnspecified() {
		return out
	}
	return append(out, Named{a, name, lease})
}

// clean is a host's name as it is shown, "" for none. A client chooses its own, so
// nothing but letters, digits, dots, dashes and underscores stays.
func clean(name string) string {
	name = strings.TrimSuffix(name, ".")
	if name == "" || name == "*" || len(name) > maxName {
		return ""
	}
	name = text.Host.String(name, maxName)
	if strings.Trim(name, "-._") == "" {
		return ""
	}
	return name
}

// isISC reports whether content looks like dhcpd.leases.
func isISC(content []byte) bool {
	for line := range bytes.Lines(content) {
		fields := strings.Fields(string(line))
		if len(fields) == 3 && fields[0] == "lease" && fields[2] == "{" {
			return true
		}
	}
	return false
}

// parseISC reads dhcpd.leases (dhcpd.leases(5)): a log in which the last block of an
// address counts.
func parseISC(content []byte, now time.Time) []Named {
	type lease struct {
		client, ddns string
		over         bool
	}
	leases := map[netip.Addr]lease{}
	var order []netip.Addr
	var at netip.Addr
	var l lease
	in := bufio.NewScanner(bytes.NewReader(content))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line, _, _ := strings.Cut(in.Text(), "; #") // of times since the epoch
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 3 && fields[0] == "lease" && fields[2] == "{":
			at, _ = netip.ParseAddr(fields[1])
			l = lease{}
		case line == "}" && at.IsValid():
			if _, known := leases[at]; !known {
				order = append(order, at)
			}
			leases[at], at = l, netip.Addr{}
		case !at.IsValid() || len(fields) < 2:
		case fields[0] == "client-hostname":
			l.client = strings.Trim(fields[1], `"`)
		case strings.HasPrefix(line, "set ddns-fwd-name = "):
			l.ddns = strings.Trim(fields[len(fields)-1], `"`)
		case strings.HasPrefix(line, "binding state "):
			l.over = l.over || fields[2] != "active"
		case fields[0] == "ends":
			l.over = l.over || endsBefore(fields, now)
		}
	}
	var out []Named
	for _, a := range order {
		l := leases[a]
		if l.over {
			continue
		}
		if l.ddns != "" {
			l.client = l.ddns
		}
		out = add(out, a.String(), l.client, true)
	}
	return out
}

// endsBefore reads "ends 4 2026/11/26 10:00:00", "ends epoch 1764151200" and "ends never".
func endsBefore(fields []string, now time.Time) bool {
	if len(fields) >= 3 && fields[1] == "epoch" {
		n, err := strconv.ParseInt(fields[2], 10, 64)
		return err == nil && time.Unix(n, 0).Before(now)
	}
	if len(fields) < 4 {
		return false
	}
	t, err := time.Parse("2006/01/02 15:04:05", fields[2]+" "+fields[3])
	return err == nil && t.Before(now)
}

// parseKea reads Kea's memfile (kea-leases4.csv, kea-leases6.csv): the last line of an
// address counts; state 0 is a lease that is in force.
func parseKea(content []byte, now time.Time) []Named {
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes = -1, true, true
	place := map[string]int{}
	latest := map[netip.Addr]string{}
	var order []netip.Addr
	for n := 0; ; n++ {
		line, err := r.Read()
		if err == io.EOF { //nolint:errorlint // encoding/csv returns it as it is
			break
		}
		if err != nil {
			continue
		}
		if n == 0 {
			for i, name := range line {
				place[name] = i
			}
			continue
		}
		value := func(name string) string {
			if i, ok := place[name]; ok && i < len(line) {
				return line[i]
			}
			return ""
		}
		a, err := netip.ParseAddr(value("address"))
		if err != nil {
			continue
		}
		if _, known := latest[a]; !known {
			order = append(order, a)
		}
		latest[a] = ""
		expire, err := strconv.ParseInt(value("expire"), 10, 64)
		if state := value("state"); (state == "" || state == "0") && (err != nil || time.Unix(expire, 0).After(now)) {
			latest[a] = value("hostname")
		}
	}
	var out []Named
	for _, a := range order {
		out = add(out, a.String(), latest[a], true)
	}
	return out
}

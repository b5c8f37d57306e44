package taxii

import (
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
	for _, way := range ways {
		address, port, why := understand(way)
		if given += len(address.values); why == "" && given > maxAlternatives {
			why = ingest.OverLimit
		}
		if why != "" {
			leave(why, pattern)
			continue
		}
		for _, value := range address.values {
			i := i
			i.Port = port
			if why := observe(address, value, &i); why != "" {
				leave(why, value)
			} else {
				take(i, value)
			}
		}
	}
}

// understand finds the comparison that names what is bad, and its port. Of a
// connection (network-traffic), type, address and port of the destination are
// understood; anything else that has to hold makes the whole not understood.
func understand(way []comparison) (address comparison, port uint16, why ingest.Reason) {
	var kind string // "ipv4-addr", where the pattern says so
	for _, c := range way {
		switch {
		case c.not:
			return address, 0, ingest.Unsupported
		case isName(&c) && address.path == "":
			address = c
		case c.path == "network-traffic:dst_ref.type" && c.op == "=" && !c.number && kind == "":
			kind = c.values[0]
		case c.path == "network-traffic:dst_port" && c.op == "=" && c.number && port == 0:
			n, err := strconv.ParseUint(c.values[0], 10, 16)
			if err != nil || n == 0 {
				return address, 0, ingest.Unreadable
			}
			port = uint16(n)
		default:
			return address, 0, ingest.Unsupported
		}
	}
	ofTraffic := address.path == dstValue
	if address.path == "" || !ofTraffic && len(way) > 1 {
		return address, 0, ingest.Unsupported
	}
	switch kind {
	case "":
	case "ipv4-addr", "ipv6-addr", "domain-name":
		address.path = kind + ":value"
	default:
		return address, 0, ingest.Unsupported
	}
	return address, port, ""
}

const dstValue = "network-traffic:dst_ref.value"

// isName reports whether a comparison names addresses, domains or URLs.
func isName(c *comparison) bool {
	if c.number || len(c.values) == 0 {
		return false
	}
	switch c.path {
	case "ipv4-addr:value", "ipv6-addr:value", dstValue:
		return c.op == "=" || c.op == "IN" || c.op == "ISSUBSET"
	case "domain-name:value", "url:value":
		return c.op == "=" || c.op == "IN"
	}
	return false
}

// observe reads a value, which must be what its path says.
func observe(c comparison, value string, i *intel.Indicator) ingest.Reason {
	port := i.Port
	why := ingest.Parse(value, i)
	if why != "" {
		return why
	}
	fits := false
	switch address := i.Prefix.IsValid(); c.path {
	case "ipv4-addr:value":
		fits = address && i.Prefix.Addr().Is4()
	case "ipv6-addr:value":
		fits = address && strings.Contains(value, ":") // v4-mapped ones are unmapped by now
	case "domain-name:value":
		fits = i.Domain != ""
	case "url:value":
		fits = i.URL != ""
	case dstValue:
		fits = address || i.Domain != "" && c.op != "ISSUBSET"
	}
	if !fits || i.Port != port { // a port stands in a comparison of its own
		return ingest.Unreadable
	}
	return ""
}

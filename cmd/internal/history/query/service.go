package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// other is how people write the port of a service for all ports that are none of a
// service's.
const other = "other"

// addService reads tcp/443, 443, tcp/other, or a protocol for all of its services.
func (c *collector) addService(text string) *mistake {
	name, port, both := strings.Cut(strings.ToLower(text), "/")
	first, last := uint64(0), uint64(1<<8-1)
	n, suggestion, ok := (&collector{field: Proto}).number(name)
	if meant := serviceNames[name]; !ok && !both && meant != "" {
		return c.unread(text, meant)
	}
	if isPort(name) && both && !isPort(port) && c.try(port+"/"+name) { // 443/tcp
		return c.unread(text, port+"/"+name)
	}
	if turned := strings.Replace(text, ":", "/", 1); turned != text && c.try(turned) {
		return c.unread(text, turned)
	}
	switch {
	case ok && (both || !isPort(name)):
		first, last = n, n
	case !both && isPort(name):
		port, both = name, true
	default:
		if suggestion != "" && both {
			suggestion += "/" + port
		}
		return c.unread(text, suggestion)
	}
	if !both {
		c.nums = append(c.nums, numRange{first << 16, first<<16 | 1<<16 - 1})
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port == other:
		n = 0
	case err != nil || n == 0:
		return c.unread(text, "")
	case !column.ServicePort(uint16(n)):
		return &mistake{strconv.Quote(port) + " is a port of no known service: ask for port " + port, ""}
	}
	for p := first; p <= last; p++ {
		c.nums = append(c.nums, numRange{p<<16 | n, p<<16 | n})
	}
	return nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// serviceName writes a service as people ask for it.
func serviceName(n uint32) string {
	proto := protoName(uint8(n >> 16))
	switch {
	case n&0xffff != 0:
		return proto + "/" + strconv.Itoa(int(n&0xffff))
	case column.Ported(uint8(n >> 16)):
		return proto + "/" + other
	}
	return proto
}

// protoName returns the shortest name of a protocol, its number where it has none.
func protoName(n uint8) string {
	var names []string
	for name, number := range protocols {
		if number == n {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return strconv.Itoa(int(n))
	}
	return slices.MinFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}

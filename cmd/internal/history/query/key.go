package query

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Key is one fact by which records are grouped.
type Key struct {
	Name string // as it was asked for, and the name in tables and JSON
	// Field is what is grouped. Of a Key of either side it is the source's; Other is the
	// destination's.
	Field, Other Field
	Either       bool
	// Bits4 and Bits6 are how long the networks are into which addresses are put; 0:
	// whole addresses.
	Bits4, Bits6 int
	// Step, above 0, makes it a Key of time: when records began, in steps of that length
	// from midnight UTC on (Offset later).
	Step, Offset time.Duration
}

// times are the keys of time.
var times = map[string]time.Duration{"minute": time.Minute, "5min": 5 * time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// either are the keys of both sides: a record counts for each of its two ends.
var eithers = map[string][2]Field{"ip": {SrcIP, DstIP}, "port": {SrcPort, DstPort}, "cc": {SrcCountry, DstCountry}, "as": {SrcAS, DstAS}, "if": {InIf, OutIf}}

// maxKeys bounds by how many facts records can be grouped.
const maxKeys = 16

// ParseKeys reads keys with commas between them: sip, dport, scc, exporter, hour; sip/24
// and sip/24/64 for networks (of IPv4, and of IPv6: 64 unless it is said); ip, port, cc,
// as, if for either side.
func ParseKeys(text string) ([]Key, error) {
	var out []Key
	at := 0
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		k, message, suggestion := parseKey(strings.ToLower(name))
		if message == "" && slices.ContainsFunc(out, func(o Key) bool { return o.Name == k.Name }) {
			message = "is there twice"
		}
		if message == "" && len(out) == maxKeys {
			message = fmt.Sprintf("is one too many: %d fields can be grouped", maxKeys)
		}
		if message != "" {
			pos := at + strings.Index(text[at:], name)
			return nil, &Error{Text: text, Option: "--fields", Pos: pos, End: pos + len(name), Message: strconv.Quote(name) + " " + message, Suggestion: suggestion}
		}
		at += strings.Index(text[at:], name) + len(name)
		out = append(out, k)
	}
	return out, nil
}

func parseKey(name string) (k Key, message, suggestion string) {
	base, bits, networks := strings.Cut(name, "/")
	k.Name = name
	f, ok := FieldNamed(base)
	if e, both := eithers[base]; both {
		k.Field, k.Other, k.Either, ok = e[0], e[1], true, true
	} else if step, isTime := times[base]; isTime {
		k.Step, ok = step, true
	} else {
		k.Field = f
	}
	switch {
	case !ok:
		if meant := meantKey(base); meant != "" {
			return k, "is not a field", meant
		}
		return k, "is not a field; flowhound top --help lists them", ""
	case k.Step == 0 && !groupable(k.Field):
		return k, "is counted, not grouped", "--value " + base
	case !networks:
		return k, "", ""
	case k.Step > 0 || fields[k.Field].form != formAddress:
		return k, "has no networks", base
	}
	v4, v6, _ := strings.Cut(bits, "/")
	if v6 == "" {
		v6 = "64"
	}
	n4, err4 := strconv.ParseUint(v4, 10, 8)
	n6, err6 := strconv.ParseUint(v6, 10, 8)
	if err4 != nil || err6 != nil || n4 < 1 || n4 > 32 || n6 < 1 || n6 > 128 {
		return k, "is not a length of networks", base + "/24/64"
	}
	k.Bits4, k.Bits6 = int(n4), int(n6)
	return k, "", ""
}

// groupable reports whether records can be grouped by a field.
func groupable(f Field) bool {
	switch f {
	case Bytes, Packets, Duration, BitRate, PacketRate, PacketSize:
		return false
	}
	return true
}

func keyNames() []string {
	var out []string
	for f := range fieldCount {
		if groupable(f) {
			out = append(out, f.String())
		}
	}
	for n := range eithers {
		out = append(out, n)
	}
	for n := range times {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Width returns how many bytes a value takes in a packed key.
func (k *Key) Width() int {
	switch {
	case k.Step > 0:
		return 8
	case fields[k.Field].form == formAddress:
		return 16
	case fields[k.Field].form == formCountry:
		return 2
	case k.Field == Flags, fields[k.Field].most == 1<<16-1:
		return 2
	case fields[k.Field].most == 1<<8-1:
		return 1
	}
	return 4
}

// appendAddress packs an address.
func (k *Key) appendAddress(b []byte, a flow.Addr) []byte {
	if k.Bits4 > 0 {
		a = k.network(a)
	}
	b = binary.BigEndian.AppendUint64(b, a.Hi)
	return binary.BigEndian.AppendUint64(b, a.Lo)
}

func (k *Key) network(a flow.Addr) flow.Addr {
	bits := k.Bits6
	if a.Is4() {
		bits = 96 + k.Bits4
	}
	if bits <= 64 {
		return flow.Addr{Hi: a.Hi &^ (^uint64(0) >> bits)}
	}
	a.Lo &^= ^uint64(0) >> (bits - 64)
	return a
}

// appendNumber packs a number, a time's step, or the letters of a country.
func (k *Key) appendNumber(b []byte, n uint64) []byte {
	switch k.Width() {
	case 1:
		return append(b, byte(n))
	case 2:
		return binary.BigEndian.AppendUint16(b, uint16(n))
	case 4:
		return binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return binary.BigEndian.AppendUint64(b, n^1<<63) // so that times sort
}

// step returns the number of the step in which a millisecond lies.
func (k *Key) step(ms int64) int64 {
	n, by := ms-k.Offset.Milliseconds(), k.Step.Milliseconds()
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// time returns when a step starts.
func (k *Key) time(step int64) time.Time {
	return time.UnixMilli(step*k.Step.Milliseconds() + k.Offset.Milliseconds()).UTC()
}

// Value returns the value that packed bytes begin with: a netip.Addr or netip.Prefix, a
// string, a uint64 or a time.Time.
func (k *Key) Value(b []byte) any {
	n := k.Width()
	v := b[:n]
	switch {
	case k.Step > 0:
		return k.time(int64(binary.BigEndian.Uint64(v) ^ 1<<63))
	case n == 16:
		a := flow.AddrFrom16(v).IP()
		switch {
		case k.Bits4 == 0:
			return a
		case a.Is4():
			return netip.PrefixFrom(a, k.Bits4)
		}
		return netip.PrefixFrom(a, k.Bits6)
	case fields[k.Field].form == formCountry:
		return countryName(v)
	case k.Field == Service:
		return serviceName(binary.BigEndian.Uint32(v))
	case n == 1:
		return uint64(v[0])
	case n == 2:
		return uint64(binary.BigEndian.Uint16(v))
	}
	return uint64(binary.BigEndian.Uint32(v))
}

package throttle

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// scope says what a fold key speaks of.
type scope uint8

const (
	scopePair     scope = iota // one local and one remote address: the usual key
	scopeNetwork               // noise from outside to one entry of networks.local
	scopeExporter              // noise that passes one exporter, between others
	scopeHost                  // what one host of ours has too many keys for, by direction
	scopeRemote                // one remote service that many hosts of ours talk to
	scopeServers               // what visitors of one service do at one entry of networks.local
	scopeAgain                 // what one exporter told after others, and no other line says
	numScopes
)

// key is a fold key. Which fields count depends on the scope; the others are zero.
//
//	pair      a = local, b = remote, proto, port
//	network   a/bits = entry of networks.local, category, proto, port
//	exporter  a = exporter, category, proto, port
//	host      a = host, direction, bits = what of it
//	servers   a/bits = entry of networks.local, category, direction, proto, port
//	remote    a = remote, category, direction, proto, port
//	again     a = exporter
type key struct {
	scope     scope
	category  intel.Category
	direction direction
	proto     uint8
	bits      uint8
	port      int32 // of the service, or hit.NoPort
	a, b      flow.Addr
}

// direction is hit.Direction in a byte.
type direction uint8

var directions = [...]hit.Direction{hit.Outbound, hit.Inbound, hit.Internal, hit.Transit}

func directionOf(d hit.Direction) direction {
	for i, name := range directions {
		if name == d {
			return direction(i)
		}
	}
	return 0
}

func pairKey(ev *alert.Event) key {
	return key{scope: scopePair, proto: ev.Proto, port: int32(ev.ServicePort()), a: ev.Local, b: ev.Remote}
}

// noiseKey returns the key of a probe from outside; ok is false for anything else.
func noiseKey(ev *alert.Event) (k key, ok bool) {
	if !ev.Probe() {
		return key{}, false
	}
	k = key{category: category(ev), proto: ev.Proto, port: int32(ev.ServicePort())}
	switch ev.Direction {
	case hit.Inbound:
		_, network := ev.Inside()
		k.scope, k.a, k.bits = scopeNetwork, flow.AddrFrom(network.Addr()), networkBits(network)
	case hit.Transit:
		k.scope, k.a = scopeExporter, ev.Exporter
	default:
		return key{}, false
	}
	return k, true
}

// networkBits counts the prefix length as of the v4-mapped address.
func networkBits(p netip.Prefix) uint8 {
	if p.Addr().Is4() {
		return uint8(p.Bits() + 96)
	}
	return uint8(p.Bits())
}

// newSeries names a series by its fold key and first receive time.
func newSeries(k key, first int64) uint64 {
	var b [48]byte
	b[0], b[1], b[2], b[3] = byte(k.scope), byte(k.category), byte(k.direction), k.proto
	binary.BigEndian.PutUint32(b[4:], uint32(k.port)<<8|uint32(k.bits))
	binary.BigEndian.PutUint64(b[8:], k.a.Hi)
	binary.BigEndian.PutUint64(b[16:], k.a.Lo)
	binary.BigEndian.PutUint64(b[24:], k.b.Hi)
	binary.BigEndian.PutUint64(b[32:], k.b.Lo)
	binary.BigEndian.PutUint64(b[40:], uint64(first))
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:])
}

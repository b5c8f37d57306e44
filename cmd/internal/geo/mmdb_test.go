package geo

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// mmdb writes a database in MaxMind's form (version 2.0 of their specification), with
// records of 24 bits and an IPv6 tree in which IPv4 lies below ::/96.
type mmdb struct {
	nodes [][2]int // above 0: a node; below 0: the place of data, from -1; 0: nothing
	data  []byte
	// bits is the size of a record, 24 where it is 0; four: the tree has IPv4 alone.
	bits int
	four bool
	kind string
}

func (m *mmdb) add(network string, value []byte) { m.point(network, -m.put(value)-1) }

// put appends a value to the data and returns its place.
func (m *mmdb) put(value []byte) (at int) {
	at = len(m.data)
	m.data = append(m.data, value...)
	return at
}

// alias has a network show what IPv4 does, as the databases have 2002::/16 and others.
func (m *mmdb) alias(network string) {
	node := 0
	for range 96 {
		node = m.nodes[node][0]
	}
	m.point(network, node)
}

// point has a network lead to at: data, or a node.
func (m *mmdb) point(network string, at int) {
	p := netip.MustParsePrefix(network)
	bits, a := p.Bits(), p.Addr().As16()
	if p.Addr().Is4() {
		a = [16]byte{}
		four := p.Addr().As4()
		if m.four {
			copy(a[:], four[:])
		} else {
			copy(a[12:], four[:])
			bits += 96
		}
	}
	if len(m.nodes) == 0 {
		m.nodes = append(m.nodes, [2]int{})
	}
	node := 0
	for i := range bits {
		side := a[i/8] >> (7 - i%8) & 1
		if i == bits-1 {
			m.nodes[node][side] = at
			return
		}
		if m.nodes[node][side] <= 0 {
			m.nodes = append(m.nodes, [2]int{})
			m.nodes[node][side] = len(m.nodes) - 1
		}
		node = m.nodes[node][side]
	}
}

func (m *mmdb) bytes() []byte {
	var out []byte
	var records []int
	for _, n := range m.nodes {
		for _, r := range n {
			switch {
			case r == 0:
				r = len(m.nodes)
			case r < 0:
				r = len(m.nodes) + 16 - r - 1
			}
			records = append(records, r)
		}
	}
	size := max(m.bits, 24)
	for i := 0; i < len(records); i += 2 {
		left, right := records[i], records[i+1]
		switch size {
		case 24:
			out = append(out, byte(left>>16), byte(left>>8), byte(left), byte(right>>16), byte(right>>8), byte(right))
		case 28:
			out = append(out, byte(left>>16), byte(left>>8), byte(left), byte(left>>24<<4|right>>24&15), byte(right>>16), byte(right>>8), byte(right))
		case 32:
			out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(out, uint32(left)), uint32(right))
		}
	}
	version, kind := 6, cmp.Or(m.kind, "Test")
	if m.four {
		version = 4
	}
	out = append(append(out, make([]byte, 16)...), m.data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, dict(
		"binary_format_major_version", number(5, 2), "binary_format_minor_version", number(5, 0), "build_epoch", number(9, 1780272000),
		"database_type", str(kind), "description", dict(), "ip_version", number(5, uint64(version)), "languages", []byte{0x00, 0x04},
		"node_count", number(6, uint64(len(m.nodes))), "record_size", number(5, uint64(size)),
	)...)
}

// control is the byte, or two, that begin a value of less than 285.
func control(kind, size int) []byte {
	if kind > 7 {
		return []byte{byte(size), byte(kind - 7)}
	}
	if size > 28 {
		return []byte{byte(kind<<5 | 29), byte(size - 29)}
	}
	return []byte{byte(kind<<5 | size)}
}

func str(s string) []byte { return append(control(2, len(s)), s...) }

func number(kind int, n uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, n)
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return append(control(kind, len(b)), b...)
}

func dict(pairs ...any) []byte {
	out := control(7, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		out = append(append(out, str(pairs[i].(string))...), pairs[i+1].([]byte)...)
	}
	return out
}

// testMMDB has records by the names of MaxMind, and of IPinfo.
func testMMDB() []byte {
	m := &mmdb{}
	m.add("8.8.8.0/24", dict("country", dict("iso_code", str("US")), "autonomous_system_number", number(6, 15169), "autonomous_system_organization", str("Google LLC")))
	m.add("8.8.9.0/24", dict("registered_country", dict("iso_code", str("NL"))))
	m.add("9.9.9.0/24", dict("country", str("CH"), "country_name", str("Switzerland"), "asn", str("AS19281"), "as_name", str("Quad9")))
	m.add("9.9.10.0/24", dict("country_code", str("SE"), "country", str("Sweden")))
	m.add("2001:700::/32", dict("country", dict("iso_code", str("NO"))))
	m.add("2001:701::/32", dict("country", dict("iso_code", str("EU"))))
	return m.bytes()
}

func TestReadMMDB(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.mmdb")
	if err := os.WriteFile(path, testMMDB(), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	countries, systems := table.New(d.Countries), table.New(d.Systems)
	for ip, want := range map[string]string{
		"8.8.8.8": "US", "8.8.9.8": "NL", "8.8.10.8": "--", "9.9.9.9": "CH", "9.9.10.1": "SE", "2001:700::1": "NO", "2001:701::1": "--", "2001:702::1": "--",
	} {
		if got := countries.Lookup(addr(ip)).String(); got != want {
			t.Errorf("%s is %s, want %s", ip, got, want)
		}
	}
	for ip, want := range map[string]string{"8.8.8.8": "Google LLC", "9.9.9.9": "Quad9", "8.8.9.8": ""} {
		if as := systems.Lookup(addr(ip)); d.Owners[as] != want {
			t.Errorf("%s is AS%d %q, want %q", ip, as, d.Owners[as], want)
		}
	}
	if d.Date != "2026-06-01" {
		t.Errorf("date %q", d.Date)
	}
	if _, err := ReadMMDB((&mmdb{nodes: [][2]int{{0, 0}}}).bytes()); err == nil {
		t.Error("one that holds nothing")
	}
}

// TestDamagedMMDB: no damage crashes it, or makes it walk without end.
func TestDamagedMMDB(t *testing.T) {
	whole := testMMDB()
	random := rand.New(rand.NewPCG(3, 4))
	rejected := 0
	for range 1000 {
		b := slices.Clone(whole)
		for range 1 + random.IntN(4) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		if random.IntN(4) == 0 {
			b = b[:random.IntN(len(b))]
		}
		if _, err := ReadMMDB(b); err != nil {
			rejected++
		}
	}
	if rejected < 100 {
		t.Errorf("%d of 1000 were rejected", rejected)
	}
}

func FuzzReadMMDB(f *testing.F) {
	f.Add(testMMDB())
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ReadMMDB(b) })
}

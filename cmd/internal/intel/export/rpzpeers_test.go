package export

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
)

// zoneFile writes a zone of the indicators into a folder.
func zoneFile(t testing.TB, dir string, set *intel.Set, o Options) dnstest.Zone {
	t.Helper()
	if o.Format == "" {
		o.Format = "rpz"
	}
	o.Now = time.Now()
	path := filepath.Join(dir, o.Zone)
	if _, _, err := File(path, set, o); err != nil {
		t.Fatal(err)
	}
	return dnstest.Zone{Name: o.Zone, Path: path}
}

// complaint is what no name server may say of a zone. The last two are how BIND
// rejects an address; checkzone says nothing of them.
var complaint = regexp.MustCompile(`(?i).*( (warning|error|critical): |invalid rpz|is not the canonical).*`)

// harmless says what BIND tells of the test's surroundings.
var harmless = regexp.MustCompile(`unable to open '/etc/bind/|managed-keys|unable to set effective`)

func checkLog(t *testing.T, s *dnstest.Server) {
	t.Helper()
	for _, line := range complaint.FindAllString(s.Log(), -1) {
		if !harmless.MatchString(line) {
			t.Errorf("the name server complains: %s", line)
		}
	}
}

var (
	served4 = dnstest.Answer{Code: "NOERROR", Records: []string{dnstest.ServedV4}}
	served6 = dnstest.Answer{Code: "NOERROR", Records: []string{dnstest.ServedV6}}

	nxdomain  = dnstest.Answer{Code: "NXDOMAIN"}
	nodata    = dnstest.Answer{Code: "NOERROR"}
	truncated = dnstest.Answer{Code: "NOERROR", Truncated: true}
	dropped   = dnstest.Answer{Code: "dropped"}
	garden    = dnstest.Answer{Code: "NOERROR", Records: []string{"walled.garden.", dnstest.ServedV4}}
)

// Records of the name space that hold listed addresses.
const servedRecords = `
single A 192.0.2.66
subnet A 198.51.100.99
beside A 198.51.101.1
single6 AAAA 2001:db8:0:1::66
subnet6 AAAA 2001:db8:bad:ffff::1
tied6 AAAA 2001:db8::1:0:0:1
beside6 AAAA 2001:db8:bae::1
`

// asking is a question for one kind of address, and the answer to it.
type asking struct {
	name string
	v6   bool
	want dnstest.Answer
}

// actions says what each answers about a listed name, and about one that has a
// listed address.
var actions = map[string]dnstest.Answer{
	"nxdomain": nxdomain, "nodata": nodata, "passthru": served4, "drop": dropped, "tcp-only": truncated, "cname": garden,
}

// addressesOf returns a listed address of each family for an action.
func addressesOf(action string) (v4, v6 string) {
	n := slices.Index(slices.Sorted(maps.Keys(actions)), action)
	return fmt.Sprintf("192.0.2.%d", 100+n), fmt.Sprintf("2001:db8:0:%d::66", 100+n)
}

// policyRecords are servedRecords, and of each action the name of an address.
func policyRecords() string {
	all := servedRecords
	for action := range actions {
		v4, v6 := addressesOf(action)
		all += fmt.Sprintf("at-%s A %s\nat-%[1]s AAAA %[3]s\n", action, v4, v6)
	}
	return all
}

// policyZones writes a zone for each action, whose names stand under a top-level
// domain of the action's name, and one for addresses of every form.
func policyZones(t *testing.T) []dnstest.Zone {
	t.Helper()
	dir := t.TempDir()
	var zones []dnstest.Zone
	for action := range actions {
		o := Options{Zone: action + ".rpz.flowhound", Action: action}
		if action == "cname" {
			o.CNAME = "walled.garden"
		}
		v4, v6 := addressesOf(action)
		set := intel.NewSet(block(t, "f", domain("bad."+action), domain("deep.under.bad."+action), domain("_und-er.x."+action), network(v4+"/32"), network(v6+"/128")))
		zones = append(zones, zoneFile(t, dir, set, o))
	}
	addresses := intel.NewSet(block(t, "f",
		network("192.0.2.66/32"), network("198.51.100.0/24"), network("2001:db8:0:1::66/128"), network("2001:db8:bad::/48"), network("2001:db8::1:0:0:1/128")))
	return append(zones, zoneFile(t, dir, addresses, Options{Zone: "address.rpz.flowhound"}))
}

func checkAnswers(t *testing.T, s *dnstest.Server) {
	t.Helper()
	askings := []asking{
		{"good.example", false, served4}, {"good.example", true, served6},
		{"single", false, nxdomain}, {"subnet", false, nxdomain}, {"beside", false, dnstest.Answer{Code: "NOERROR", Records: []string{"198.51.101.1"}}},
		{"single6", true, nxdomain}, {"subnet6", true, nxdomain}, {"tied6", true, nxdomain},
		{"beside6", true, dnstest.Answer{Code: "NOERROR", Records: []string{"2001:db8:bae::1"}}},
	}
	for action, want := range actions {
		v4, v6 := want, want
		switch action {
		case "passthru":
			a4, a6 := addressesOf(action)
			v4.Records, v6.Records = []string{a4}, []string{a6}
		case "cname":
			v6.Records = []string{"walled.garden.", dnstest.ServedV6}
		}
		askings = append(askings,
			asking{"bad." + action, false, want}, asking{"other.under.bad." + action, false, want},
			asking{"at-" + action, false, v4}, asking{"at-" + action, true, v6},
			asking{"x." + action, false, served4}, asking{"notbad." + action, false, served4})
		if action == "drop" {
			continue // a second each
		}
		askings = append(askings,
			asking{"BAD." + strings.ToUpper(action), false, want}, asking{"sub.bad." + action, false, want},
			asking{"under.bad." + action, false, want}, asking{"deep.under.bad." + action, false, want},
			asking{"_und-er.x." + action, false, want})
	}
	for _, a := range askings {
		if got := s.Ask(a.name, a.v6); !reflect.DeepEqual(got, a.want) {
			t.Errorf("%s (IPv6: %v) is answered %+v, want %+v", a.name, a.v6, got, a.want)
		}
	}
	if got := s.AskTCP("bad.tcp-only", false); !reflect.DeepEqual(got, served4) {
		t.Errorf("over TCP bad.tcp-only is answered %+v", got)
	}
}

func TestNamedAnswers(t *testing.T) {
	t.Parallel()
	s := dnstest.Named(t, policyRecords(), policyZones(t)...)
	checkAnswers(t, s)
	checkLog(t, s)
}

func TestUnboundAnswers(t *testing.T) {
	t.Parallel()
	upstream := dnstest.Named(t, policyRecords())
	s := dnstest.Unbound(t, upstream, policyZones(t)...)
	checkAnswers(t, s)
	checkLog(t, s)
}

// What is allowed passes, be it below a listed name or in a listed network, and
// an allowed address gives no name a way past its listing.
func TestNameServersAllow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	set := intel.NewSetExcept(
		intel.NewAllow(allowed("ok.bad.example"), allowed(".fine.bad.example"), allowed("198.51.100.99/32"), allowed("203.0.113.80/32")),
		block(t, "f", domain("bad.example"), network("198.51.100.0/24"), network("192.0.2.0/24")))
	zones := []dnstest.Zone{
		zoneFile(t, dir, set, Options{Zone: "allow.rpz.flowhound", Action: "allow"}),
		zoneFile(t, dir, set, Options{Zone: "rpz.flowhound"}),
	}
	named := dnstest.Named(t, servedRecords+"near A 198.51.100.98\n", zones...)
	unbound := dnstest.Unbound(t, dnstest.Named(t, servedRecords+"near A 198.51.100.98\n"), zones...)
	for _, s := range []*dnstest.Server{named, unbound} {
		for name, want := range map[string]dnstest.Answer{
			"bad.example": nxdomain, "x.bad.example": nxdomain,
			"ok.bad.example": served4, "x.ok.bad.example": nxdomain, "fine.bad.example": served4, "x.y.fine.bad.example": served4,
			"subnet": {Code: "NOERROR", Records: []string{"198.51.100.99"}}, "near": nxdomain, "single": nxdomain,
		} {
			if got := s.Ask(name, false); !reflect.DeepEqual(got, want) {
				t.Errorf("%s is answered %+v, want %+v", name, got, want)
			}
		}
		checkLog(t, s)
	}
}

// hostile is what feeds have held, or could.
func hostile() []string {
	out := []string{
		"32.0.0.0.0.rpz-client-ip", "8.0.0.0.127.rpz-client-ip", "ns.example.rpz-nsdname", "32.1.2.0.192.rpz-ip",
		"$include", "$GENERATE 1-1000000 a$.example", "$ttl.example", "@", "@.example", "*", "*.*.example", "a.*.b.example", "bücher.example", "\u202e.example",
		strings.Repeat("a", 70) + ".example", strings.TrimSuffix(strings.Repeat("abcdefghi.", 25), "."), "example", "a..b.example",
		"trailing.example.", "UPPER.Example", "_srv._tcp.example", "-x-.example", "xn--zzzzzzzz.example", "192.0.2.1", "in.example", "cname.a.example",
	}
	for c := range 256 {
		out = append(out, fmt.Sprintf("x%cy.example", c), fmt.Sprintf("%c.test", c))
	}
	return out
}

// Whatever a feed holds, BIND and Unbound load the zone and complain of nothing,
// and the addresses are in the spelling that BIND wants.
func TestNameServersLoadHostileNames(t *testing.T) {
	t.Parallel()
	b := intel.NewBuilder("f")
	nasty := strings.Repeat("\"\\;()\n$INCLUDE /etc/passwd\r\x00ü\xff", 20)
	for _, name := range hostile() {
		b.Add(&intel.Indicator{Domain: name, Name: nasty, Ref: nasty})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], r.Uint64()&r.Uint64())
		binary.BigEndian.PutUint64(a[8:], r.Uint64())
		for n := range 8 { // runs of zeros of every length and place
			if r.IntN(2) == 0 {
				a[2*n], a[2*n+1] = 0, 0
			}
		}
		a[0] |= 0x20
		b.Add(&intel.Indicator{Prefix: netip.PrefixFrom(netip.AddrFrom16(a), 19+r.IntN(110))})
		b.Add(&intel.Indicator{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), 8+r.IntN(25))})
	}
	zone := zoneFile(t, t.TempDir(), intel.NewSet(b.Block()), Options{Zone: "rpz.flowhound"})
	named := dnstest.Named(t, "", zone)
	unbound := dnstest.Unbound(t, dnstest.Named(t, ""), zone)
	for _, s := range []*dnstest.Server{named, unbound} {
		checkLog(t, s)
		for name, want := range map[string]dnstest.Answer{"xn--bcher-kva.example": nxdomain, "upper.example": nxdomain, "good.other": served4} {
			if got := s.Ask(name, false); !reflect.DeepEqual(got, want) {
				t.Errorf("%s is answered %+v, want %+v", name, got, want)
			}
		}
	}
}

// What leaves a set is free again, what comes is blocked, and BIND takes each
// version of the file for a newer one.
func TestNamedReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(names ...string) dnstest.Zone {
		var all []intel.Indicator
		for _, n := range names {
			all = append(all, domain(n))
		}
		return zoneFile(t, dir, intel.NewSet(block(t, "f", all...)), Options{Zone: "rpz.flowhound"})
	}
	zone := write("old.example", "kept.example")
	s := dnstest.Named(t, "", zone)
	for _, c := range []struct {
		names []string
		want  map[string]dnstest.Answer
	}{
		{[]string{"old.example", "kept.example"}, map[string]dnstest.Answer{"old.example": nxdomain, "kept.example": nxdomain, "new.example": served4}},
		{[]string{"kept.example", "new.example"}, map[string]dnstest.Answer{"old.example": served4, "kept.example": nxdomain, "new.example": nxdomain}},
		{nil, map[string]dnstest.Answer{"old.example": served4, "kept.example": served4, "new.example": served4}},
	} {
		write(c.names...)
		s.Reload(zone.Name, fileSerial(t, zone.Path))
		for name, want := range c.want {
			if got := s.Ask(name, false); !reflect.DeepEqual(got, want) {
				t.Errorf("with %q listed, %s is answered %+v, want %+v", c.names, name, got, want)
			}
		}
	}
	checkLog(t, s)
}

package geo

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// Values of the types that published databases have beside texts and numbers.
func double(f float64) []byte {
	return binary.BigEndian.AppendUint64(control(3, 8), math.Float64bits(f))
}

func float(f float32) []byte {
	return binary.BigEndian.AppendUint32(control(15, 4), math.Float32bits(f))
}

func boolean(b bool) []byte {
	if b {
		return control(14, 1)
	}
	return control(14, 0)
}

func list(values ...[]byte) []byte {
	return append(control(11, len(values)), bytes.Join(values, nil)...)
}

// pointer stands for the value at a place of the data.
func pointer(at int) []byte { return []byte{byte(0x20 | at>>8&7), byte(at)} }

func called(en string) []byte { return dict("de", str(en), "en", str(en), "zh-CN", str("瑞士")) }

// layout is a database as somebody publishes it, of the same few networks.
type layout struct {
	name             string
	content          []byte
	country, systems bool
}

// layouts are made by the writer here in the forms that their publishers describe:
// nothing of their data is in them.
func layouts() []layout {
	const google = "Google LLC"
	maxmindCountry := func(iso, name string) []byte {
		return dict("continent", dict("code", str("EU"), "geoname_id", number(6, 6255148), "names", called("Europe")),
			"country", dict("geoname_id", number(6, 2658434), "is_in_european_union", boolean(false), "iso_code", str(iso), "names", called(name)),
			"registered_country", dict("geoname_id", number(6, 6252001), "iso_code", str("US"), "names", called("United States")),
			"traits", dict("is_anycast", boolean(true)))
	}
	city := func(iso string, place, number []byte) []byte {
		return dict("city", dict("geoname_id", number, "names", called("Bern")), "country", dict("iso_code", str(iso), "names", called("x")),
			"location", dict("accuracy_radius", number, "latitude", place, "longitude", place, "time_zone", str("Europe/Zurich")),
			"postal", dict("code", str("3000")), "subdivisions", list(dict("iso_code", str("BE"), "names", called("Bern")), dict("iso_code", str("X"))))
	}
	ipinfo := func(name, code, asn string) []byte {
		return dict("as_domain", str("google.com"), "as_name", str(google), "asn", str(asn), "continent", str("Europe"), "continent_code", str("EU"), "country", str(name), "country_code", str(code))
	}
	system := dict("autonomous_system_number", number(6, 15169), "autonomous_system_organization", str(google))

	var out []layout
	mmdbOf := func(name string, m *mmdb, country, systems bool, swiss, us []byte) {
		m.kind = name
		m.add("9.9.9.0/24", swiss)
		m.add("8.8.8.0/24", us)
		if !m.four {
			m.add("2001:4860::/32", us)
			for _, n := range []string{"::ffff:0:0/96", "2001::/32", "2002::/16"} {
				m.alias(n)
			}
		}
		out = append(out, layout{name, m.bytes(), country, systems})
	}
	mmdbOf("GeoLite2-Country", &mmdb{bits: 24}, true, false, maxmindCountry("CH", "Switzerland"), maxmindCountry("US", "United States"))
	mmdbOf("GeoLite2-City", &mmdb{bits: 28}, true, false, city("CH", double(46.9), number(5, 100)), city("US", double(-122.1), number(5, 1000)))
	mmdbOf("GeoLite2-ASN", &mmdb{bits: 24}, false, true, dict("autonomous_system_number", number(6, 3303)), system)
	mmdbOf("DBIP-Country-Lite", &mmdb{bits: 24}, true, false, maxmindCountry("CH", "Switzerland"), maxmindCountry("US", "United States"))
	mmdbOf("DBIP-City-Lite", &mmdb{bits: 32}, true, false, city("CH", float(46.9), number(6, 1)), city("US", float(-122.1), number(6, 2)))
	mmdbOf("DBIP-ASN-Lite (compat=GeoLite2-ASN)", &mmdb{bits: 28}, false, true, dict("autonomous_system_number", number(6, 3303), "autonomous_system_organization", str("Swisscom")), system)
	mmdbOf("ipinfo ipinfo_lite.mmdb", &mmdb{bits: 32}, true, true, ipinfo("Switzerland", "CH", "AS3303"), ipinfo("United States", "US", "AS15169"))
	mmdbOf("ipinfo country_asn.mmdb", &mmdb{bits: 24}, true, true,
		dict("country", str("CH"), "country_name", str("Switzerland"), "asn", str("AS3303"), "as_name", str("Swisscom")),
		dict("country", str("US"), "country_name", str("United States"), "asn", str("AS15169"), "as_name", str(google)))
	mmdbOf("IPv4 alone", &mmdb{four: true}, true, false, maxmindCountry("CH", "Switzerland"), maxmindCountry("US", "United States"))
	shared := &mmdb{bits: 24} // as MaxMind's writer does it: the same text is written once
	iso, code, country := shared.put(str("CH")), shared.put(str("iso_code")), shared.put(str("country"))
	at := shared.put(append(append(control(7, 1), pointer(code)...), pointer(iso)...))
	mmdbOf("with pointers", shared, true, false, append(append(control(7, 1), pointer(country)...), pointer(at)...), maxmindCountry("US", "United States"))

	for name, text := range map[string]string{
		"dbip-country-lite.csv": "0.0.0.0,0.255.255.255,ZZ\n8.8.8.0,8.8.8.255,US\n9.9.9.0,9.9.9.255,CH\n::,2001:485f:ffff:ffff:ffff:ffff:ffff:ffff,ZZ\n2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,US\n",
		"dbip-city-lite.csv": "0.0.0.0,0.255.255.255,ZZ,ZZ,,,0,0\n8.8.8.0,8.8.8.255,NA,US,California,\"Mountain View\",37.4223,-122.085\n" +
			"9.9.9.0,9.9.9.255,EU,CH,Zurich,\"Zurich (Kreis 4, Hard)\",47.3,8.5\n2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,NA,US,California,\"Mountain View\",37.4,-122.1\n",
		"IP2LOCATION-LITE-DB1.CSV": "\"0\",\"134744063\",\"-\",\"-\"\r\n\"134744064\",\"134744319\",\"US\",\"United States of America\"\r\n\"151587072\",\"151587327\",\"CH\",\"Switzerland\"\r\n" +
			"\"42541956101370907050197289607612071936\",\"42541956180599069564461627201156022271\",\"US\",\"x\"\r\n",
	} {
		out = append(out, layout{name, []byte(text), true, false})
	}
	out = append(out,
		layout{"dbip-asn-lite.csv", []byte("8.8.8.0,8.8.8.255,15169,\"Google LLC\"\n9.9.9.0,9.9.9.255,3303,\"Swisscom, Ltd.\"\n2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,15169,\"Google LLC\"\n"), false, true},
		layout{"ipinfo_lite.csv", []byte("network,country,country_code,continent,continent_code,asn,as_name,as_domain\n8.8.8.0/24,United States,US,North America,NA,AS15169,Google LLC,google.com\n" +
			"9.9.9.9,Switzerland,CH,Europe,EU,AS3303,Swisscom,x\n2001:4860::/32,United States,US,North America,NA,AS15169,Google LLC,google.com\n"), true, true})
	return out
}

// TestPublishedLayouts: what publishers offer is read, also as they zip it.
func TestPublishedLayouts(t *testing.T) {
	dir := t.TempDir()
	for i, l := range layouts() {
		for _, zipped := range []bool{false, true} {
			name, content := filepath.Join(dir, string(rune('a'+i))), l.content
			if !strings.Contains(strings.ToLower(l.name), "csv") {
				name += ".mmdb"
			}
			if zipped {
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				_, _ = z.Write(content)
				_ = z.Close()
				name, content = name+".gz", b.Bytes()
			}
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := ReadFile(name)
			if err != nil {
				t.Errorf("%s: %v", l.name, err)
				continue
			}
			l.check(t, d)
		}
	}
}

func (l *layout) check(t *testing.T, d *Data) {
	t.Helper()
	countries, systems := table.New(d.Countries), table.New(d.Systems)
	wants := map[string]struct {
		country string
		as      uint32
	}{"8.8.8.8": {"US", 15169}, "9.9.9.9": {"CH", 3303}, "2001:4860:4860::8888": {"US", 15169}, "11.0.0.1": {"--", 0}, "2001:db8::1": {"--", 0}, "2002:808:808::1": {"--", 0}}
	for ip, want := range wants {
		if l.name == "IPv4 alone" && strings.Contains(ip, ":") {
			continue
		}
		if got := countries.Lookup(addr(ip)).String(); l.country && got != want.country {
			t.Errorf("%s: %s is %s, want %s", l.name, ip, got, want.country)
		}
		if got := systems.Lookup(addr(ip)); l.systems && got != want.as {
			t.Errorf("%s: %s is AS%d, want AS%d", l.name, ip, got, want.as)
		}
	}
	if l.country != (len(d.Countries) > 0) || l.systems != (len(d.Systems) > 0) {
		t.Errorf("%s: %d countries, %d systems", l.name, len(d.Countries), len(d.Systems))
	}
	if owner := d.Owners[15169]; l.systems && owner != "Google LLC" {
		t.Errorf("%s: AS15169 is %q", l.name, owner)
	}
}

// TestUnreadLayouts: what cannot be read says what can.
func TestUnreadLayouts(t *testing.T) {
	dir := t.TempDir()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	if _, err := unzipped(bomb.Bytes(), 4<<20); err == nil || !strings.Contains(err.Error(), "larger than the limit of 4 MiB") {
		t.Errorf("a small file that grows: %v", err)
	}
	for content, want := range map[string]string{
		"network,geoname_id,registered_country_geoname_id,is_anonymous_proxy\n1.0.0.0/24,2077456,2077456,0\n": "take the .mmdb of the same database",
		"\x1f\x8bdamaged, but long enough for a head":                                                         "gzip",
	} {
		name := filepath.Join(dir, "x")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", content, err)
		}
	}
}

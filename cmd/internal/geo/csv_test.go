package geo

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

func TestReadCSV(t *testing.T) {
	for name, text := range map[string]string{
		"DB-IP, both families":   "8.8.8.0,8.8.8.255,US\n2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,US\n10.0.0.0,10.255.255.255,ZZ\n",
		"quoted":                 `"8.8.8.0","8.8.8.255","us"` + "\r\n" + `"2001:4860::","2001:4860:ffff:ffff:ffff:ffff:ffff:ffff","US"`,
		"tor-geoipdb, v4 and v6": "# INTERIM\n# by nobody\n134744064,134744319,US\n2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,US\n2a00::,2a00::,??\n",
		"numbers, IPv6 too":      "134744064,134744319,US,United States of America\n42541956101370907050197289607612071936,42541956180599069564461627201156022271,US,x\n",
		"networks":               "8.8.8.0/24,US\n2001:4860::/32,US\n",
		"with a header":          "network,continent,country_code,country\n8.8.8.0/24,NA,US,United States\n2001:4860::/32,NA,US,United States\n",
		"another header":         "\ufeffstart_ip,end_ip,country,country_name\n8.8.8.0,8.8.8.255,US,x\n2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,US,y\n",
		"country before its code": "start_ip,end_ip,country,country_code\n8.8.8.0,8.8.8.255,United States,US\n" +
			"2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,United States,US\n",
	} {
		d, err := ReadCSV(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tbl := table.New(d.Countries)
		for ip, want := range map[string]string{"8.8.8.8": "US", "8.8.9.1": "--", "2001:4860:4860::8888": "US", "2001:4861::": "--", "10.1.1.1": "--"} {
			if got := tbl.Lookup(addr(ip)).String(); got != want {
				t.Errorf("%s: %s is %s, want %s", name, ip, got, want)
			}
		}
	}
	for name, text := range map[string]string{
		"without a header": "8.8.8.0,8.8.8.255,15169,\"Google, LLC\"\n",
		"numbers as names": "network,asn,as_name\n8.8.8.0/24,AS15169,\"Google, LLC\"\n",
		"MaxMind":          "network,autonomous_system_number,autonomous_system_organization\n8.8.8.0/24,15169,\"Google, LLC\"\n",
		"IPinfo":           "network,country,country_code,asn,as_name,as_domain\n8.8.8.0/24,United States,US,AS15169,\"Google, LLC\",google.com\n",
	} {
		d, err := ReadCSV(strings.NewReader(text))
		if err != nil || len(d.Systems) != 1 || d.Systems[0].Value != 15169 || d.Owners[15169] != "Google, LLC" {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestReadCSVRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "it holds no country",
		"# nothing\n":                          "it holds no country",
		"8.8.8.0,8.8.8.255\n":                  "line 1: no column holds",
		"network,name\n8.8.8.0/24,US\n":        "line 1: no column is called",
		"8.8.8.0,8.8.8.255,US\n8.8.8.0,US\n":   "line 2: 2 columns are too few",
		"8.8.8.0,8.8.8.255,US\nx,8.8.9.1,US\n": `line 2: "x" is not an address`,
		"8.8.9.0,8.8.8.255,US\n":               "line 1: 8.8.9.0 to 8.8.8.255 is not a range",
		"8.8.8.0,2001:db8::,US\n":              "line 1: 8.8.8.0 to 2001:db8:: is not a range",
		"8.8.8.0/33,US\n":                      `line 1: "8.8.8.0/33" is not a network`,
		"\n\n# c\n8.8.8.0/24,Sweden\n":         `line 4: "Sweden" is not a country code of two letters`,
	} {
		if d, err := ReadCSV(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %s", text, d, err, want)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("8.8.8.0,8.8.8.255,US\n")
	f.Add("network,country_code,asn,as_name\n8.8.8.0/24,US,AS15169,\"a\"\n")
	f.Add("134744064,134744319,US\n1,2,\"\n")
	f.Fuzz(func(_ *testing.T, text string) {
		if d, err := ReadCSV(strings.NewReader(text)); err == nil {
			table.New(d.Countries).Lookup(addr("8.8.8.8"))
			table.New(d.Systems).Lookup(addr("2001:db8::"))
		}
	})
}

func TestBounds(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0 10.255.255.255", "192.0.2.1/32": "192.0.2.1 192.0.2.1", "0.0.0.0/0": "0.0.0.0 255.255.255.255",
		"2001:db8::/33": "2001:db8:: 2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "2001:db8::1/128": "2001:db8::1 2001:db8::1",
	} {
		first, last := bounds(netip.MustParsePrefix(text))
		if got := first.String() + " " + last.String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

package dnsbl

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestQuestion(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"198.51.100.23":    "23.100.51.198.bl.example.",
		"2001:db8::1":      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.",
		"::ffff:127.0.0.2": "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example.",
	} {
		if got := question(netip.MustParseAddr(ip), "bl.example"); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}

// reply makes an answer of records in zone file form.
func reply(t testing.TB, rcode int, records ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("1.2.0.192.bl.example.", dns.TypeA)
	m.Response, m.Rcode = true, rcode
	for _, r := range records {
		rr, err := dns.NewRR("1.2.0.192.bl.example. " + r)
		if err != nil {
			t.Fatal(err)
		}
		if rr.Header().Rrtype == dns.TypeSOA {
			m.Ns = append(m.Ns, rr)
		} else {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rcode   int
		records []string
		kind    kind
		ttl     time.Duration
		codes   int
		says    string
	}{
		{"listed", dns.RcodeSuccess, []string{"600 A 127.0.0.2"}, listed, 10 * time.Minute, 1, ""},
		{"listed twice, the shorter time counts", dns.RcodeSuccess, []string{"3600 A 127.0.0.4", "900 A 127.0.0.10"}, listed, 15 * time.Minute, 2, ""},
		{"listed for a second", dns.RcodeSuccess, []string{"1 A 127.0.0.2"}, listed, minListed, 1, ""},
		{"listed for years", dns.RcodeSuccess, []string{"99999999 A 127.0.0.2"}, listed, maxListed, 1, ""},
		{"behind an alias", dns.RcodeSuccess, []string{"600 CNAME x.example.", "600 A 127.0.0.2"}, listed, 10 * time.Minute, 1, ""},
		{"no such name", dns.RcodeNameError, []string{"900 SOA a. b. 1 2 3 4 1800"}, clean, 15 * time.Minute, 0, ""},
		{"no such name, for a day", dns.RcodeNameError, []string{"86400 SOA a. b. 1 2 3 4 86400"}, clean, maxClean, 0, ""},
		{"no such name, for no time", dns.RcodeNameError, nil, clean, minClean, 0, ""},
		{"a name without an address", dns.RcodeSuccess, []string{"300 TXT hello"}, clean, minClean, 0, ""},
		{"SERVFAIL", dns.RcodeServerFailure, nil, failed, failedFor, 0, "SERVFAIL"},
		{"REFUSED", dns.RcodeRefused, nil, failed, failedFor, 0, "REFUSED"},
		{"a code that there is not", 3000, nil, failed, failedFor, 0, "3000"},
		{"mistyped", dns.RcodeSuccess, []string{"60 A 127.255.255.252"}, refused, 0, 0, "mistyped"},
		{"public resolver", dns.RcodeSuccess, []string{"60 A 127.255.255.254"}, refused, 0, 0, "public resolvers"},
		{"too many", dns.RcodeSuccess, []string{"60 A 127.255.255.255"}, refused, 0, 0, "too many"},
		{"an error beside a listing", dns.RcodeSuccess, []string{"60 A 127.0.0.2", "60 A 127.255.255.1"}, refused, 0, 0, "an error"},
		{"a page of a domain seller", dns.RcodeSuccess, []string{"60 A 203.0.113.9"}, refused, 0, 0, "shut down"},
		{"localhost", dns.RcodeSuccess, []string{"60 A 127.0.0.1"}, refused, 0, 0, "127.0.0.1"},
	} {
		o := classify(reply(t, tt.rcode, tt.records...))
		if o.kind != tt.kind || o.ttl != tt.ttl || len(o.codes) != tt.codes || !strings.Contains(o.why, tt.says) {
			t.Errorf("%s: %+v", tt.name, o)
		}
	}
}

// FuzzReadAnswer: whatever a resolver sends, an answer lists only by addresses that
// list, for a time within bounds, and what is said of it is fit for a line.
func FuzzReadAnswer(f *testing.F) {
	for _, m := range []*dns.Msg{
		reply(f, dns.RcodeSuccess, "600 A 127.0.0.2", `600 TXT "https://bl.example/1" "\200\010x"`),
		reply(f, dns.RcodeNameError, "900 SOA a. b. 1 2 3 4 1800"),
		reply(f, dns.RcodeServerFailure),
	} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	z := Zone{Name: "bl", Reference: "https://bl.example/?ip={ip}"}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		o := classify(m)
		if o.kind != listed {
			return
		}
		for _, code := range o.codes {
			if !loopback.Contains(code) || errorCodes.Contains(code) || code == notListed {
				t.Fatalf("listed by %s", code)
			}
		}
		if len(o.codes) == 0 || o.ttl < minListed || o.ttl > maxListed {
			t.Fatalf("%+v", o)
		}
		o.text = explanation(m)
		i := z.indicator(&result{job{ip: netip.MustParseAddr("192.0.2.1")}, o}, time.Unix(1e9, 0))
		if strings.ContainsAny(i.Name, "\n\r\x00\x1b") || strings.ContainsAny(i.Ref, "\n\r\" ") || i.Name == "" || i.Ref == "" {
			t.Fatalf("name %q, ref %q", i.Name, i.Ref)
		}
	})
}

func TestIndicator(t *testing.T) {
	t.Parallel()
	z, _ := Known("zen.spamhaus.org")
	z.Name, z.Score = "zen", 70
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		codes, text                    string
		blamed                         bool
		category, name, reference, tag string
	}{
		{"127.0.0.2", "", true, "spam", "listed by zen as 127.0.0.2", "https://check.spamhaus.org/results/?query=192.0.2.1", "127.0.0.2"},
		{"127.0.0.10 127.0.0.4", "Listed by XBL, see https://check.spamhaus.org/query/ip/192.0.2.1.", true, "botnet",
			"Listed by XBL, see https://check.spamhaus.org/query/ip/192.0.2.1.", "https://check.spamhaus.org/query/ip/192.0.2.1", "127.0.0.10,127.0.0.4"},
		{"127.0.0.99", "a\x1b[31m\nb", true, "spam", "a [31m b", "https://check.spamhaus.org/results/?query=192.0.2.1", "127.0.0.99"},
		{"127.0.0.10", "", false, "", "", "", ""},
	} {
		r := result{job{ip: netip.MustParseAddr("192.0.2.1")}, outcome{text: tt.text, ttl: time.Hour}}
		for c := range strings.FieldsSeq(tt.codes) {
			r.codes = append(r.codes, netip.MustParseAddr(c))
		}
		if z.blames(r.codes) != tt.blamed {
			t.Errorf("%s: blamed %v", tt.codes, !tt.blamed)
		}
		if !tt.blamed {
			continue
		}
		i := z.indicator(&r, now)
		if i.Category.String() != tt.category || i.Name != tt.name || i.Ref != tt.reference || i.Tags != tt.tag ||
			i.Prefix.String() != "192.0.2.1/32" || i.Score != 70 || i.Feed != "zen" || !i.Expires.Equal(now.Add(time.Hour)) {
			t.Errorf("%s: %+v", tt.codes, i)
		}
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for zone, category := range map[string]string{
		"zen.spamhaus.org": "spam", "abcdefghij.zen.dq.spamhaus.net": "spam", "dnsbl.dronebl.org": "other", "torexit.dan.me.uk": "anonymizer",
	} {
		if z, ok := Known(zone); !ok || z.Category.String() != category || !strings.HasPrefix(z.Reference, "https://") {
			t.Errorf("%s: %+v", zone, z)
		}
	}
	if _, ok := Known("bl.example"); ok {
		t.Error("a zone that nobody knows is known")
	}
}

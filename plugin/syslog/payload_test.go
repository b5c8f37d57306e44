package main

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

var (
	formats  = []string{format3164, format5424}
	payloads = []string{payloadLine, payloadKV, payloadJSON, payloadCEF, payloadLEEF}
)

func example() plugin.Hit {
	t := time.Date(2026, 6, 7, 10, 37, 51, 123456789, time.UTC)
	ioc := netip.MustParsePrefix("198.51.100.7/32")
	return plugin.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established,
		Category: "c2", Feed: "otx", IOC: ioc, Score: 60,
		Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234, Dst: ioc.Addr(), DstPort: 443, Proto: 6,
		Count: 1, Bytes: 18412, Packets: 97, Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"),
		Start: t, End: t.Add(20 * time.Second), First: t.Add(21 * time.Second), Last: t.Add(22 * time.Second), Time: t.Add(29 * time.Second),
		ID: "7k3m9q2v8w1xz-1", Ref: "https://otx.example/pulse/5f?a=1|2", Name: `Emotet "wave" 3 | a\b = 'ü' ] ^`,
		Local: netip.MustParseAddr("10.1.2.3"), Remote: ioc.Addr(), Matched: hit.MatchedDst, SrcBytes: 2412, DstBytes: 16000, SrcPackets: 40, DstPackets: 57,
		Indicators: []hit.Indicator{{IOC: ioc, Feed: "otx", Category: "c2", Score: 60, Name: "Emotet", Tags: []string{"emotet"}}},
	}
}

func coarse() plugin.Hit {
	h := example()
	ioc := netip.MustParsePrefix("2001:db8:bad::/48")
	h.Kind, h.Severity, h.Direction, h.State = hit.Repeat, hit.Info, hit.Inbound, hit.Attempt
	h.IOC, h.Src, h.Dst, h.SrcPort, h.DstPort, h.Proto = ioc, netip.MustParseAddr("2001:db8:bad::7"), netip.MustParseAddr("2001:db8::1"), hit.NoPort, hit.NoPort, 58
	h.Exporter, h.Ref, h.Name, h.Sources, h.Targets, h.Indicators = netip.MustParseAddr("2001:db8::99"), "", "Shodan", 36, 9, nil
	return h
}

// testFormatter is a formatter as Open makes it, with all that differs by host fixed.
func testFormatter(format, payload string) formatter {
	return formatter{
		header:  header{format: format, facility: 16, host: "gw", app: "flowhound", pid: 123, tagless: payload == payloadCEF || payload == payloadLEEF},
		payload: payload, version: "1.2.3", size: (&output{}).sizeFor(format),
	}
}

// TestGolden holds every header with every payload against a file for people to read.
func TestGolden(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, format := range formats {
		for _, payload := range payloads {
			for _, h := range []plugin.Hit{example(), coarse()} {
				f := testFormatter(format, payload)
				if payload == payloadKV {
					f.header.sd = map[string]string{format5424: "flowhound@32473"}[format]
				}
				msg, err := f.append(nil, &h)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(string(msg) + "\n")
			}
		}
	}
	path := filepath.Join("testdata", "messages.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("differs from %s (-update writes it):\n%s", path, got.String())
	}
}

// TestPriority: facility times eight plus severity, whatever the severity.
func TestPriority(t *testing.T) {
	t.Parallel()
	f := testFormatter(format3164, payloadLine)
	for sev, want := range map[hit.Severity]string{hit.Info: "<134>", hit.Low: "<133>", hit.Medium: "<132>", hit.High: "<131>", hit.Critical: "<130>", 99: "<134>"} {
		h := example()
		h.Severity = sev
		if msg, _ := f.append(nil, &h); !strings.HasPrefix(string(msg), want) {
			t.Errorf("%v: got %s, want %s", sev, msg[:8], want)
		}
	}
}

// TestLocalSocketHeader: no host where the receiver knows it.
func TestLocalSocketHeader(t *testing.T) {
	t.Parallel()
	h := example()
	f := testFormatter(format3164, payloadLine)
	f.header.host = ""
	if msg, _ := f.append(nil, &h); !strings.HasPrefix(string(msg[20:]), " flowhound[123]: hit kind=new ") {
		t.Errorf("got %s", msg)
	}
	f.header.format = format5424
	if msg, _ := f.append(nil, &h); !strings.Contains(string(msg), "Z - flowhound 123 hit - hit kind=new ") {
		t.Errorf("got %s", msg)
	}
}

// TestLongestLineFits: our line is never cut a second time, whatever the header.
func TestLongestLineFits(t *testing.T) {
	t.Parallel()
	h := hugeHit()
	body := string(hit.AppendLine(nil, &h))
	for _, app := range []string{"f", "flowhound", strings.Repeat("a", maxTag)} {
		f := testFormatter(format3164, payloadLine)
		f.header.host, f.header.app, f.header.pid, f.header.facility = strings.Repeat("h", 300), app, 1<<31-1, 23
		msg, err := f.append(nil, &h)
		if err != nil || len(msg) > 1024 || !strings.HasSuffix(string(msg), body) {
			t.Errorf("app %q: %d bytes, %v: %s", app, len(msg), err, msg)
		}
	}
	f := testFormatter(format5424, payloadLine)
	f.size, f.header.host, f.header.app, f.header.sd = minSizeSD, strings.Repeat("h", 300), strings.Repeat("a", maxApp), "flowhound@32473"
	if msg, _ := f.append(nil, &h); len(msg) > minSizeSD || !strings.HasSuffix(string(msg), body) {
		t.Errorf("rfc5424: %d bytes: %s", len(msg), msg)
	}
}

// hugeHit is a hit whose every value is as long as can be.
func hugeHit() plugin.Hit {
	long := strings.Repeat(`ä"\]=|^0 `, 500)
	ip := netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")
	const most = ^uint64(0)
	h := example()
	h.Kind, h.Direction, h.State, h.Matched = hit.Kind(long), hit.Direction(long), hit.State(long), hit.Matched(long)
	h.Category, h.Feed, h.Country, h.ID, h.Ref, h.Name = long, long, long, long, long, long
	h.IOC, h.Src, h.Dst, h.Local, h.Remote, h.Exporter, h.NATSrc, h.NATDst = netip.PrefixFrom(ip, 127), ip, ip, ip, ip, ip, ip, ip
	h.SrcPort, h.DstPort, h.Proto, h.Score, h.Sources, h.Targets = 65535, 65535, 134, 100, 1<<62, 1<<62
	h.Count, h.Bytes, h.Packets, h.SrcBytes, h.DstBytes, h.SrcPackets, h.DstPackets = most, most, most, most, most, most, most
	h.Sampling, h.Domain = 1<<32-1, 1<<32-1
	for range 100 {
		h.Indicators = append(h.Indicators, hit.Indicator{IOC: h.IOC, Feed: long, Category: long, Ref: long, Name: long, Tags: []string{long, long}})
	}
	return h
}

// TestShortening: what a too long message loses, and in which order.
func TestShortening(t *testing.T) {
	t.Parallel()
	h := example()
	h.Name = strings.Repeat("n", 3000)
	for _, payload := range payloads {
		f := testFormatter(format3164, payload)
		msg, err := f.append(nil, &h)
		if err != nil || len(msg) > 1024 || len(msg) < 900 || !strings.Contains(string(msg), "nnnn") || !strings.Contains(string(msg), "otx.example/pulse/5f?a") {
			t.Errorf("%s: %d bytes, %v: %s", payload, len(msg), err, msg)
		}
	}
	h.Sources, h.Targets = 36, 9
	for _, payload := range payloads {
		f := testFormatter(format3164, payload)
		if payload == payloadJSON {
			continue // has them as numbers
		}
		if msg, _ := f.append(nil, &h); !strings.Contains(string(msg), "nn (+36 sources, 9 targets)") {
			t.Errorf("%s: the count of folded addresses is cut: %s", payload, msg)
		}
	}

	// JSON of a huge hit fits 2 KiB, but no 1024 bytes: it is refused, not torn.
	h = hugeHit()
	f := testFormatter(format5424, payloadJSON)
	f.size = minSize5424
	msg, err := f.append(nil, &h)
	if err != nil || len(msg) > f.size {
		t.Errorf("%d bytes, %v", len(msg), err)
	}
	f.header.format, f.size = format3164, minSize3164
	if msg, err = f.append(nil, &h); err == nil || !strings.Contains(err.Error(), "raise max_size") {
		t.Errorf("%d bytes, %v", len(msg), err)
	}
}

// TestOracle reads every message with another's parser.
func TestOracle(t *testing.T) {
	t.Parallel()
	for _, h := range []plugin.Hit{example(), coarse()} {
		for _, payload := range payloads {
			f := testFormatter(format5424, payload)
			f.header.sd = "flowhound@32473"
			raw, err := f.append(nil, &h)
			if err != nil {
				t.Fatal(err)
			}
			m, err := rfc5424.NewParser().Parse(raw)
			if err != nil {
				t.Fatalf("%v: %s", err, raw)
			}
			msg := m.(*rfc5424.SyslogMessage)
			sd := (*msg.StructuredData)["flowhound@32473"]
			if *msg.Facility != 16 || *msg.Severity != uint8(severities[h.Severity]) || *msg.Hostname != "gw" || *msg.Appname != "flowhound" || *msg.ProcID != "123" || *msg.MsgID != "hit" ||
				!msg.Timestamp.Equal(h.Time.Truncate(time.Microsecond)) || sd["id"] != h.ID || sd["name"] != h.Name+h.Remarks() || sd["src"] != h.Src.String() {
				t.Errorf("read as %+v, %v", msg, sd)
			}
			checkOld(t, testFormatter(format3164, payload), &h)
		}
	}
}

func checkOld(t *testing.T, f formatter, h *plugin.Hit) {
	t.Helper()
	raw, err := f.append(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	var m syslog.Message
	if m, err = rfc3164.NewParser(rfc3164.WithYear(rfc3164.Year{YYYY: 2026}), rfc3164.WithLocaleTimezone(time.Local)).Parse(raw); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	msg := m.(*rfc3164.SyslogMessage)
	if *msg.Hostname != "gw" || !msg.Timestamp.Equal(h.Time.Truncate(time.Second)) || (!f.header.tagless && (*msg.Appname != "flowhound" || *msg.ProcID != "123")) {
		t.Errorf("read as %+v", msg)
	}
}

// TestReadBack takes the other payloads apart as their receivers do.
func TestReadBack(t *testing.T) {
	t.Parallel()
	h := example()
	body := func(payload string) string {
		f := testFormatter(format5424, payload)
		raw, err := f.append(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(raw), " hit - ")
		return body
	}
	var j map[string]any
	if err := json.Unmarshal([]byte(body(payloadJSON)), &j); err != nil || j["srcip"] != "10.1.2.3" || j["name"] != h.Name || j["id"] != h.ID {
		t.Errorf("json: %v %v", err, j)
	}
	head, ext := readCEF(t, body(payloadCEF))
	if head[5] != "c2 outbound established" || ext["msg"] != h.Name || ext["cs6"] != h.Ref || ext["externalId"] != h.ID || ext["in"] != "2412" || ext["out"] != "16000" || ext["spt"] != "51234" || ext["rt"] != "1780828700123" {
		t.Errorf("cef: %q %q", head, ext)
	}
	head, ext = readLEEF(t, body(payloadLEEF))
	if head[4] != "c2" || ext["name"] != strings.ReplaceAll(h.Name, "^", "_") || ext["url"] != h.Ref || ext["externalId"] != h.ID || ext["srcPort"] != "51234" {
		t.Errorf("leef: %q %q", head, ext)
	}
	kv := readKV(t, strings.TrimPrefix(body(payloadKV), "hit "))
	if kv["name"] != h.Name || kv["ref"] != h.Ref || kv["id"] != h.ID || kv["src_bytes"] != "2412" {
		t.Errorf("kv: %q", kv)
	}
}

// FuzzMessages: whatever is in a hit, a message is one line of printable UTF-8
// within its bounds, and reads back as what it is.
func FuzzMessages(f *testing.F) {
	f.Add("c2", "otx", "https://e.example/", "Emotet", "id-1", []byte{198, 51, 100, 7}, uint64(1), 443, int64(1780828700), 1024)
	f.Add(`c2|=\`, "o^tx", "a\nb\r\n<134>x", "x\x00 src=1.2.3.4|\u2028\u202e\x7f\u0085", "i\"]d", []byte{0x20, 1, 0x0d, 0xb8, 15: 1}, ^uint64(0), -1, int64(1)<<60, 8192)
	f.Add("", "", strings.Repeat("\xff\\", 2000), strings.Repeat("=é]^\"", 900), strings.Repeat(" ", 90), []byte{}, uint64(0), 4096, int64(-1)<<60, 2048)
	f.Fuzz(func(t *testing.T, cat, feed, ref, name, id string, addr []byte, n uint64, port int, at int64, size int) {
		ip, _ := netip.AddrFromSlice(addr)
		h := plugin.Hit{
			Kind: hit.Kind(cat), Severity: hit.Severity(n % 7), Direction: hit.Direction(feed), State: hit.State(id), Matched: hit.Matched(name), Category: cat, Feed: feed,
			IOC: netip.PrefixFrom(ip, port%129), Score: port, Src: ip, SrcPort: port, Dst: ip, DstPort: -port, Proto: uint8(n), Count: n, Bytes: n / 3, SrcBytes: n,
			Country: id, Exporter: ip, Time: time.Unix(at, 0), Start: time.Unix(at/2, 0), ID: id, Ref: ref, Name: name, Sources: port, NATSrc: ip,
			SrcPlace:   hit.Place{Country: id, AS: uint32(n), Owner: name, Host: ref, Site: feed},
			Indicators: []hit.Indicator{{Name: name, Ref: ref, Tags: []string{feed, name}, LastSeen: time.Unix(at, 0)}},
		}
		for _, format := range formats {
			for _, payload := range payloads {
				fm := testFormatter(format, payload)
				fm.size = max(leastSize(format, true), min(size, maxSize))
				fm.version = cat
				if format == format5424 {
					fm.header.sd = "flowhound@32473"
				}
				msg, err := fm.append(nil, &h)
				if err != nil {
					if payload != payloadJSON || !strings.Contains(err.Error(), "raise max_size") {
						t.Fatalf("%s %s: %v", format, payload, err)
					}
					continue
				}
				checkMessage(t, fm, string(msg))
			}
		}
	})
}

func checkMessage(t *testing.T, f formatter, msg string) {
	t.Helper()
	if len(msg) > f.size || !utf8.ValidString(msg) || strings.IndexFunc(msg, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) >= 0 {
		t.Fatalf("%d bytes of %d: %q", len(msg), f.size, msg)
	}
	if f.header.format == format5424 {
		m, err := rfc5424.NewParser().Parse([]byte(msg))
		if err != nil {
			t.Fatalf("%v: %s", err, msg)
		}
		body := ""
		if p := m.(*rfc5424.SyslogMessage).Message; p != nil {
			body = *p
		}
		switch f.payload {
		case payloadCEF:
			readCEF(t, body)
		case payloadLEEF:
			readLEEF(t, body)
		case payloadKV:
			readKV(t, strings.TrimPrefix(body, "hit "))
		case payloadJSON:
			var h plugin.Hit
			if err := json.Unmarshal([]byte(body), &h); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
		}
	}
}

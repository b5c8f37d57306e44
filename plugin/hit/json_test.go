package hit

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// full is a hit that uses every field.
func full() Hit {
	h := example()
	t := h.Start
	h.SrcPort, h.DstPort, h.Proto = 8, 0, 1 // port 0 is a value
	h.Domain, h.Sampling = 7, 100
	h.First, h.Last = t.Add(time.Nanosecond), t.Add(time.Minute)
	h.Local, h.Remote, h.Matched = h.Src, h.Dst, MatchedNATDst
	h.SrcBytes, h.DstBytes, h.SrcPackets, h.DstPackets = 1, 2, 3, 4
	h.NATSrc, h.NATDst = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::7")
	h.Sources, h.Targets = 36, 9
	h.SrcPlace = Place{Country: Private, Host: "laptop.example", Site: "home"}
	h.DstPlace = Place{Country: "NL", AS: 4200000000, Owner: `Example "Hosting"`, Host: "h", Site: "s"}
	h.Indicators = []Indicator{
		{IOC: h.IOC, Feed: "otx", Category: "c2", Score: 60, Ref: "https://otx.example/?a=1&b=<2>", Name: "Emotet", Tags: []string{"a", "b"}, FirstSeen: t, LastSeen: t},
		{IOC: netip.MustParsePrefix("2001:db8::/32"), Feed: "ours"},
	}
	return h
}

func TestJSONRoundTrip(t *testing.T) {
	unnamed := full()
	unnamed.Name = ""
	for name, want := range map[string]Hit{
		"full": full(), "example": example(), "coarse without name": unnamed,
		"empty": {SrcPort: NoPort, DstPort: NoPort}, "protocol without a name": {SrcPort: NoPort, DstPort: 1, Proto: 253, Name: " x"},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(name, err)
		}
		var got Hit
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, b)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v\nJSON %s", name, got, want, b)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		place      Place
		iso, words string
	}{
		{Place{}, "", ""},
		{Place{Country: NoCountry}, "", ""},
		{Place{Country: Private}, "", "private"},
		{Place{Country: "NL", AS: 64500, Owner: "Example"}, "NL", "NL, AS64500 Example"},
		{Place{Country: NoCountry, Owner: "Example"}, "", "Example"},
		{Place{Country: "NO", AS: 64500, Host: "gw.example", Site: "home"}, "NO", "gw.example, home, NO, AS64500"},
	} {
		if iso, words := c.place.ISO(), c.place.String(); iso != c.iso || words != c.words {
			t.Errorf("%+v: %q and %q, want %q and %q", c.place, iso, words, c.iso, c.words)
		}
	}
}

func TestJSONKeys(t *testing.T) {
	h := example()
	got, err := AppendLogJSON([]byte("x"), &h)
	if err != nil {
		t.Fatal(err)
	}
	const want = `x{"v":1,"kind":"new","sev":"high","dir":"outbound","state":"established","cat":"c2","feed":"otx","ioc":"198.51.100.7","score":60,` +
		`"src":"10.1.2.3","sport":51234,"dst":"198.51.100.7","dport":443,"proto":"tcp",` +
		`"count":1,"bytes":18412,"pkts":97,"cc":"NL","exporter":"192.0.2.1","seen":"2026-06-07T10:37:51Z/2026-06-07T10:38:11Z",` +
		`"id":"7k3m9q2v8w1xz-1","ref":"https://otx.alienvault.com/pulse/5f","name":"Emotet wave 3",` +
		`"time":"2026-06-07T10:38:20Z","start":"2026-06-07T10:37:51Z","end":"2026-06-07T10:38:11Z",` +
		`"srcip":"10.1.2.3","srcport":51234,"dstip":"198.51.100.7","dstport":443,"protocol":"tcp"}`
	if string(got) != want {
		t.Errorf("log JSON:\n got %s\nwant %s", got, want)
	}

	h = full()
	b, _ := h.MarshalJSON()
	if s := string(b); strings.Contains(s, "srcip") || !strings.Contains(s, `"name":"Emotet wave 3 (+36 sources, 9 targets)"`) ||
		!strings.Contains(s, `"sport":8,`) || !strings.Contains(s, `"dport":0,`) || !strings.Contains(s, `?a=1&b=<2>`) {
		t.Errorf("JSON: %s", s)
	}

	b, _ = json.Marshal(Hit{SrcPort: NoPort, DstPort: NoPort})
	if string(b) != `{"v":1,"sev":"info","score":0,"proto":"hopopt","count":0}` {
		t.Errorf("empty hit: %s", b)
	}
}

func TestUnmarshalJSONRefuses(t *testing.T) {
	for _, s := range []string{
		`{}`, `{"v":2}`, `{"v":1,"sev":"loud"}`, `{"v":1,"src":"nowhere"}`, `{"v":1,"ioc":"10.0.0.0/99"}`,
		`{"v":1,"proto":"256"}`, `{"v":1,"count":-1}`, `{"v":1,"start":"yesterday"}`, `[]`,
	} {
		var h Hit
		if err := json.Unmarshal([]byte(s), &h); err == nil {
			t.Errorf("%s was read as %+v", s, h)
		}
	}
	var h Hit
	if err := json.Unmarshal([]byte(`{"v":1,"sev":"low","new_in_1.9":{"a":[1]}}`), &h); err != nil || h.Severity != Low {
		t.Errorf("a key of a newer program: %v, %+v", err, h)
	}
}

func TestLogJSONHasRoom(t *testing.T) {
	h := full()
	for range 1000 {
		h.Indicators = append(h.Indicators, h.Indicators[0])
	}
	b, err := AppendLogJSON(nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	var got Hit
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(b) > 24<<10 || len(got.Indicators) < 50 {
		t.Errorf("%d bytes with %d indicators", len(b), len(got.Indicators))
	}

	// Texts that others chose, in the form that JSON makes longest.
	long := strings.Repeat("\x01", 100_000)
	h = full()
	h.Name, h.Ref, h.Feed, h.Category, h.ID, h.Country = long, long, long, long, long, long
	h.Indicators = []Indicator{{IOC: h.IOC, Name: long, Ref: long, Feed: long, Category: long, Tags: slices.Repeat([]string{long}, 1000)}}
	b, err = AppendLogJSON(nil, &h)
	if err != nil || len(b) > 24<<10 || !strings.Contains(string(b), `"indicators":[{`) || json.Unmarshal(b, &got) != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	h.Name = strings.Repeat("é", 1000) // a rune is not cut in two
	h.Ref, h.Feed, h.Category, h.ID, h.Country, h.Indicators = "", "", "", "", "", nil
	if b, err = AppendLogJSON(nil, &h); err != nil || strings.Contains(string(b), `\ufffd`) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestLogJSONNames: the log has ours and Wazuh's names, the rest of the world ours.
func TestLogJSONNames(t *testing.T) {
	h := full()
	inLog, err := AppendLogJSON(nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := h.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var l, p map[string]any
	if json.Unmarshal(inLog, &l) != nil || json.Unmarshal(plain, &p) != nil {
		t.Fatal(string(inLog))
	}
	for ours, wazuhs := range map[string]string{"src": "srcip", "sport": "srcport", "dst": "dstip", "dport": "dstport", "proto": "protocol"} {
		if l[ours] == nil || l[ours] != l[wazuhs] {
			t.Errorf("%s is %v, %s %v", ours, l[ours], wazuhs, l[wazuhs])
		}
		if _, ok := p[wazuhs]; ok {
			t.Errorf("%s stands outside the log too", wazuhs)
		}
	}
	if _, ok := l["indicators"].([]any); !ok {
		t.Errorf("indicators is %T", l["indicators"])
	}
	for _, part := range []Part{Agent, Feed, Collector, Export, Output} {
		b, err := json.Marshal(Status{Part: part, Indicators: 7, Status: "ok"})
		if err != nil || strings.Contains(string(b), `"indicators"`) {
			t.Errorf("%s, %v", b, err)
		}
	}
}

func FuzzUnmarshalJSON(f *testing.F) {
	h := full()
	seed, _ := h.MarshalJSON()
	f.Add(seed)
	f.Add([]byte(`{"v":1,"sources":2,"name":"(+2 sources, 0 targets)","proto":"a/n","ioc":"::ffff:1.2.3.4"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again Hit
		if h.UnmarshalJSON(b) != nil {
			return
		}
		if line := AppendLine(nil, &h); !strictLine.Match(line) {
			t.Errorf("no strict line: %q", line)
		}
		out, err := h.MarshalJSON()
		if err != nil {
			return // a time zone has moved a time out of the years 0 to 9999
		}
		if err := again.UnmarshalJSON(out); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	})
}

func TestStatus(t *testing.T) {
	at := time.Date(2026, 6, 7, 10, 38, 20, 0, time.UTC)
	tests := []struct {
		s          Status
		line, json string
	}{
		{
			Status{Time: at, Part: Agent, Status: "started", Version: "1.2.0", Msg: `say "hi"`},
			`agent status=started version=1.2.0 msg="say 'hi'"`,
			`{"v":1,"part":"agent","status":"started","version":"1.2.0","msg":"say \"hi\"","time":"2026-06-07T10:38:20Z"}`,
		}, {
			Status{Part: Feed, ID: "otx", Status: "ok", Indicators: 1234, Version: "ignored"},
			`feed id=otx status=ok indicators=1234 msg="-"`,
			`{"v":1,"part":"feed","status":"ok","id":"otx","indicator_count":1234}`,
		}, {
			Status{Part: Feed, ID: "otx", Status: "error"},
			`feed id=otx status=error indicators=0 msg="-"`,
			`{"v":1,"part":"feed","status":"error","id":"otx","indicator_count":0}`,
		}, {
			Status{Part: Collector, Status: "silent", Exporter: netip.MustParseAddr("192.0.2.1"), Msg: "no flows for 5m"},
			`collector status=silent exporter=192.0.2.1 msg="no flows for 5m"`,
			`{"v":1,"part":"collector","status":"silent","exporter":"192.0.2.1","msg":"no flows for 5m"}`,
		}, {
			Status{Part: Output, ID: "my siem", Status: "down"},
			`output id=my_siem status=down msg="-"`,
			`{"v":1,"part":"output","status":"down","id":"my siem"}`,
		}, {
			Status{Part: Export, ID: "rpz.db", Status: "error", Msg: "no space left on device"},
			`export id=rpz.db status=error indicators=0 msg="no space left on device"`,
			`{"v":1,"part":"export","status":"error","id":"rpz.db","indicator_count":0,"msg":"no space left on device"}`,
		},
	}
	for _, tt := range tests {
		if got := string(AppendStatus(nil, &tt.s)); got != tt.line {
			t.Errorf("got %s, want %s", got, tt.line)
		}
		if got, err := tt.s.MarshalJSON(); err != nil || string(got) != tt.json {
			t.Errorf("got %s, %v, want %s", got, err, tt.json)
		}
	}
	if got := AppendStatus(nil, &Status{Part: Agent, Msg: strings.Repeat("m", 3000)}); len(got) != maxBody {
		t.Errorf("a long message makes a body of %d bytes, want %d", len(got), maxBody)
	}
}

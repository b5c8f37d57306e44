package api

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/web/users"
	"github.com/flowhound/flowhound/plugin/hit"
)

// manyFlows are flows that all differ in what they can be grouped by.
func manyFlows(n int) []flow.Record {
	at := time.Now().Add(-time.Hour).UnixNano()
	out := make([]flow.Record, n)
	for i := range out {
		out[i] = flow.Record{
			Src: flow.AddrFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})), Dst: flow.AddrFrom(netip.AddrFrom4([4]byte{203, byte(i), byte(i >> 8), 9})),
			Exporter: flow.AddrFrom(netip.MustParseAddr("192.0.2.1")), Received: at, Start: at, End: at, Bytes: uint64(i), Packets: 1,
			Has:      flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
			Sampling: 1, SrcPort: uint16(i), DstPort: uint16(i * 7), Version: 9, Proto: 6,
		}
	}
	return out
}

// idle waits until no question is being answered.
func (l *lab) idle() {
	l.t.Helper()
	for begun := time.Now(); len(l.api.asking) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			l.t.Fatal("a question goes on after its answer")
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestTooCostly: a question that takes longer than it may is ended with a clear answer,
// its memory is free again, and so is its turn. One whose browser has gone ends, too. How
// long is too long depends on the machine: it gets less until it does not suffice.
func TestTooCostly(t *testing.T) {
	l := newLab(t)
	l.keepFlows(manyFlows(300_000))
	before := heap()
	for _, question := range []string{"top?fields=sip,dip,sport,dport&count=5", "top?fields=sip,dip,sport&value=dips&count=0", "flows?sort=-bytes&limit=1000", "addresses/192.0.2.1/talk?expression=" + url.QueryEscape("not src ip 10.0.0.1")} {
		var p problem
		code, h := 200, http.Header{}
		l.api.askTime = 3 * time.Millisecond
		for hours := 24; code == 200 && l.api.askTime > 0; hours++ { // others: no answer is kept of them
			code, h = l.do("GET", fmt.Sprintf("%s&last=%dh", question, hours), "", &p)
			l.idle()
			if code == 200 {
				l.api.askTime /= 2
			}
		}
		if says := fmt.Sprintf("Stopped after %s:", l.api.askTime); code != 503 || !strings.Contains(p.Error, says) || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", question, code, p.Error)
		}
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d MB before, %d MB after", before>>20, after>>20)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/api/v1/top?fields=sip,dip,sport,dport", nil)
	cancel()
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
	}
	l.idle()
}

// TestCostlyExpressions: what is hard to read or to match is answered or refused.
func TestCostlyExpressions(t *testing.T) {
	l := newLab(t)
	l.keepFlows(manyFlows(20_000))
	deep := func(n int) string { return strings.Repeat("not (", n) + "port 443" + strings.Repeat(")", n) }
	for _, expression := range []string{
		deep(150), deep(300), strings.Repeat("(", 1999), strings.Repeat("port 1-65535 or ", 120) + "port 0",
		strings.Repeat("not src net 10.0.0.0/8 and ", 70) + "any", "src ip " + strings.Repeat("10.1.2.3,", 200) + "10.1.2.4",
		"bytes > 99999999999999999999999999", "port " + strings.Repeat("9", 1900), strings.Repeat("\x00", 100), strings.Repeat("é", 990), "src ip @/dev/zero",
	} {
		begun := time.Now()
		for _, of := range []string{"top?expression=", "hits?expression="} {
			var p problem
			if code, _ := l.do("GET", of+url.QueryEscape(expression), "", &p); code != 200 && (code != 400 || p.Error == "") {
				t.Errorf("%s%.40s: %d %s", of, expression, code, p.Error)
			}
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%.40s took %s", expression, took)
		}
	}
}

// TestHugeRanges: ranges that nobody can mean are refused, those that are long answered.
func TestHugeRanges(t *testing.T) {
	l := newLab(t)
	l.keep()
	for _, route := range []string{"top", "flows", "hits", "overview", "addresses/198.51.100.7/talk"} {
		for span, want := range map[string]int{
			"from=0": 400, "from=0&to=8589934591": 400, "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": 400, "last=367d": 400, "last=999999999999h": 400, "last=-1h": 400,
			"from=9999-12-31T00:00:00Z": 400, "to=0001-01-01T00:00:00Z": 400, "from=-5": 400, "from=99999999999999999999": 400, "last=366d": 200, "last=1m": 200,
		} {
			var p problem
			if code, _ := l.do("GET", route+"?"+span, "", &p); code != want || want == 400 && p.Error == "" {
				t.Errorf("%s?%s: %d %s", route, span, code, p.Error)
			}
		}
	}
	var top Top
	if code, _ := l.do("GET", "top?fields=minute,sip&count=0&last=366d", "", &top); code != 200 || len(top.Rows) != 100 {
		t.Errorf("a year in minutes: %d, %d rows", code, len(top.Rows))
	}
}

// TestEmptyHistory: where nothing was kept yet, all questions are answered with nothing.
func TestEmptyHistory(t *testing.T) {
	l := newLab(t)
	l.api.d.History = &History{
		ServicePorts: func() []uint16 { return nil },
		Open: func(from, to time.Time) (*query.Data, func(), error) {
			return query.Open(filepath.Join(t.TempDir(), "none"), from, to, nil)
		},
	}
	for route, want := range map[string]string{
		"top": `"rows":[]`, "top?fields=minute&count=0": `"rows":[]`, "top?fields=scc&count=0&expression=src+country+CH": `"total":0`,
		"flows": `"flows":[]`, "addresses/10.1.2.3/talk": `"pairs":[]`,
	} {
		resp, err := http.Get(l.url + "/api/v1/" + route)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(b.String(), want) || strings.Contains(b.String(), `"first"`) {
			t.Errorf("%s: %d %s", route, resp.StatusCode, b.String())
		}
	}
}

// TestExpiredUnderTheQuestion: files that expire between the begin of a question and
// their turn are missing in the answer, and are not called damaged.
func TestExpiredUnderTheQuestion(t *testing.T) {
	l := newLab(t)
	dir := l.keep()
	open := l.api.d.History.Open
	l.api.d.History.Open = func(from, to time.Time) (*query.Data, func(), error) {
		d, done, err := open(from, to)
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".parquet") {
				err = os.Remove(path)
			}
			return err
		})
		return d, done, err
	}
	for _, route := range []string{"top", "flows", "addresses/198.51.100.7/talk"} {
		var x struct {
			Rows, Flows, Pairs []any
			Damaged            []string
		}
		if code, _ := l.do("GET", route, "", &x); code != 200 || len(x.Rows)+len(x.Flows)+len(x.Pairs) != 0 || len(x.Damaged) != 0 {
			t.Errorf("%s: %d %+v", route, code, x)
		}
		l.idle()
	}
}

// TestSlowReaders: who does not read its events is cut off, counted and said once, and
// holds up nobody meanwhile.
func TestSlowReaders(t *testing.T) {
	l := newLab(t)
	var log bytes.Buffer
	l.api.d.Log = slog.New(slog.NewTextHandler(&log, nil))
	l.api.leaveTime = 200 * time.Millisecond
	for i := range mostNews {
		h := made(fmt.Sprintf("s%d", i), hit.High, fmt.Sprintf("198.51.100.%d", i+1))
		h.Name = strings.Repeat("x", 4000) // far more than what waits in the kernel on both sides
		l.say(h)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.api.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), users.Caller{Name: "anna", Role: users.Viewer})))
	}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10) // a real one fills later
		return ctx
	}
	server.Start()
	defer server.Close()
	const readers = 5
	for range readers {
		d := net.Dialer{Timeout: time.Minute}
		c, err := d.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(c, "GET /api/v1/events?since=0 HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	for begun := time.Now(); l.api.slow.Load() < readers || len(l.api.live) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("%d were cut off, %d are live", l.api.slow.Load(), len(l.api.live))
		}
		var h Hits
		if code, _ := l.do("GET", "hits", "", &h); code != 200 || h.Total != mostNews {
			t.Fatalf("others: %d", code)
		}
	}
	if err := l.api.Stop(t.Context()); err != nil { // nothing writes to the log any more
		t.Fatal(err)
	}
	server.CloseClientConnections()
	server.Close()
	if n := strings.Count(log.String(), "too slow"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
}

// TestOddRequests: paths, parameters and methods that nobody sends in good faith are
// refused with a reason, and reach no file.
func TestOddRequests(t *testing.T) {
	l := newLab(t)
	l.keep()
	long := strings.Repeat("x", 3000)
	for _, path := range []string{
		"%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "hits/..%2f..%2fetc%2fpasswd", "hits/%00", "hits/" + long, "hits/a%0d%0aX-Evil:%201", "hits/%ff%fe",
		"addresses/10.1.2.3%00", "addresses/" + long + "/talk", "addresses/10.1.2.3%2f..%2f..", "addresses/0x7f.1", "addresses/1", "addresses/10.1.2.3/talk/x",
		"top/", "TOP", "top;x=1", "openapi.json/..", "nothing%3Cscript%3E",
		"top?count=-1", "top?count=1e3", "top?count=99999999999999999999", "top?fields=" + strings.Repeat("sip,", 700), "top?fields=sip/0", "top?fields=sip,sip", "top?fields=%00", "top?value=%ff",
		"flows?limit=-1", "flows?limit=1001", "flows?sort=--bytes", "flows?sort=sip", "hits?min=worst", "hits?limit=5001", "hits?offset=-1", "hits?q=" + long, "hits?evil=1", "hits?severity-not=high",
		"top?expression=src+country+QQ", "top?expression=src+country+ZZ", "top?expression=src+country+%E2%80%AECH", "hits?expression=dst+country+XX", "top?expression=src+ip+10.0.0.0%2f33",
	} {
		var p problem
		code, h := l.do("GET", path, "", &p)
		if code < 400 || code >= 500 || h.Get("Content-Type") != "application/json" || p.Error == "" || len(p.Error) > 4000 || h.Get("X-Evil") != "" || strings.Contains(p.Error, "root:") {
			t.Errorf("%.60s: %d %.200s", path, code, p.Error)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		for _, path := range []string{"hits", "top", "openapi.json", "events"} {
			var p problem
			if code, h := l.do(method, path, "{}", &p); code < 400 || code >= 500 || h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	// What can be meant is answered: the first of two values, and a country without flows.
	for _, path := range []string{"top?count=1&count=2", "top?expression=src+country+AQ", "top?fields=sip%2f24%2f48", "flows?limit=0", "addresses/::ffff:10.1.2.3", "addresses/fe80::1%25eth0"} {
		var x map[string]any
		if code, _ := l.do("GET", path, "", &x); code != 200 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// TestHostileNames: what a list calls its entries arrives as it is, as JSON and nothing
// else, and is found; a name of any length leaves the others readable.
func TestHostileNames(t *testing.T) {
	l := newLab(t)
	names := []string{"<script>alert(1)</script>", "\u202egnp.exe\u202c", "</title>\"'&\x00\x1b[31m", strings.Repeat("long ", 2000), "\xff\xfe"}
	for i, name := range names {
		h := made(fmt.Sprintf("h%d", i), hit.High, fmt.Sprintf("198.51.100.%d", i+1))
		h.Name, h.Country = name, "QQ"
		l.say(h)
	}
	var all Hits
	if code, h := l.do("GET", "hits", "", &all); code != 200 || all.Total != len(names) || h.Get("Content-Type") != "application/json" {
		t.Fatalf("%d, %d hits", code, all.Total)
	}
	for _, x := range all.Series {
		if !utf8.ValidString(x.Name) || x.Country != "QQ" {
			t.Errorf("%q in %s", x.Name, x.Country)
		}
		var story Story
		if code, _ := l.do("GET", "hits/"+x.ID, "", &story); code != 200 || !utf8.ValidString(story.Text) || len(story.Text) > 1024 || strings.ContainsAny(story.Text, "\x00\x1b\n") {
			t.Errorf("%s: %d %.200q", x.ID, code, story.Text)
		}
	}
	if l.do("GET", "hits?q="+url.QueryEscape("<script>"), "", &all); all.Total != 1 {
		t.Errorf("%d hits are called <script>", all.Total)
	}
}

// TestHitsExpression: the language of flows chooses hits, as far as they have its fields.
func TestHitsExpression(t *testing.T) {
	l := newLab(t)
	out := made("out", hit.High, "198.51.100.7")
	out.SrcPlace.Country, out.Country, out.Bytes, out.DstPort, out.Proto = "private", "NL", 5_000_000, 443, 6
	in := made("in", hit.Low, "203.0.113.9")
	in.Src, in.Dst, in.Direction, in.DstPort, in.Proto, in.Country = in.Dst, in.Src, hit.Inbound, 22, 6, "CH"
	in.DstPlace = hit.Place{Country: "NO", AS: 64500}
	ping := made("ping", hit.Info, "203.0.113.10")
	ping.Proto, ping.SrcPort, ping.DstPort = 1, 8, 0
	many := made("many", hit.Info, "203.0.113.11")
	many.Proto, many.SrcPort, many.DstPort = 6, hit.NoPort, hit.NoPort
	for _, h := range []*hit.Hit{out, in, ping, many} {
		l.say(h)
	}
	for expression, want := range map[string]string{
		"": "in many out ping", "dst ip 198.51.100.7": "out", "src net 203.0.113.0/24": "in", "net 203.0.113.0/24": "in many ping", "dst port 443": "out", "port 22": "in", "service tcp/22": "in",
		"dst country NL": "out", "src country CH": "in", "dst country NO and as 64500": "in", "bytes > 1m": "out", "proto icmp": "ping", "icmp-type 8": "ping", "not proto tcp": "ping",
		"direction in": "in", "src country private and proto tcp": "many out", "exporter 192.0.2.1 and (port 443 or port 22)": "in out", "host 198.51.100.7 or host 203.0.113.9": "in out",
	} {
		var h Hits
		code, _ := l.do("GET", "hits?expression="+url.QueryEscape(expression), "", &h)
		var ids []string
		for _, x := range h.Series {
			ids = append(ids, x.ID)
		}
		if got := sorted(ids); code != 200 || got != want {
			t.Errorf("%q: %d %s, want %s", expression, code, got, want)
		}
	}
	for expression, want := range map[string]string{"flags S": "a hit has no flags", "src contry CH": "did you mean country", "in if 3": "a hit has no in", "bps > 5": "a hit has no bps", "nat port 5": "a hit has no nat_sport", "ip @list": "not allowed"} {
		var p problem
		if code, _ := l.do("GET", "hits?expression="+url.QueryEscape(expression), "", &p); code != 400 || !strings.Contains(p.Error, want) || p.Mistake == nil {
			t.Errorf("%q: %d %+v", expression, code, p)
		}
	}
}

func sorted(ids []string) string {
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

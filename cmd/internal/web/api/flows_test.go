package api

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// keep makes a history of 100 answers from Switzerland, the sender n sending n thousand
// bytes, and has the API ask it.
func (l *lab) keep() (dir string) {
	l.t.Helper()
	at := time.Now().Add(-time.Hour).UnixNano()
	var records []flow.Record
	for i := range 100 {
		records = append(records, flow.Record{
			Src: flow.AddrFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})), Dst: flow.AddrFrom(netip.MustParseAddr("10.1.2.3")),
			Exporter: flow.AddrFrom(netip.MustParseAddr("192.0.2.1")), Received: at, Start: at, End: at, Bytes: uint64(1000 * (i + 1)), Packets: 1,
			Has:      flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
			Sampling: 1, SrcPort: 443, DstPort: uint16(50000 + i), Version: 9, Proto: 6,
		})
	}
	return l.keepFlows(records)
}

// keepFlows makes a history of these flows, and has the API ask it.
func (l *lab) keepFlows(records []flow.Record) (dir string) {
	l.t.Helper()
	dir = filepath.Join(l.t.TempDir(), "flows")
	w, err := dataset.Create(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	w.Places = places
	if err := w.Add(records); err != nil {
		l.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.api.d.History = &History{
		ServicePorts: func() []uint16 { return []uint16{443} },
		Open:         func(from, to time.Time) (*query.Data, func(), error) { return query.Open(dir, from, to, places) },
	}
	l.api.shared = newShared() // what was asked before was asked of other flows
	return dir
}

func places(a flow.Addr, _ int64) (country [2]byte, as uint32) {
	if a.IP().Is4() && a.IP().As4()[0] == 198 {
		return [2]byte{'C', 'H'}, 64500
	}
	return country, 0
}

func TestTop(t *testing.T) {
	l := newLab(t)
	var p problem
	if code, _ := l.do("GET", "top", "", &p); code != 409 || !strings.Contains(p.Error, "no flows are kept") {
		t.Errorf("without a history: %d %s", code, p.Error)
	}
	dir := l.keep()
	var top Top
	q := "top?fields=sip,sport&value=bytes&count=2&expression=" + url.QueryEscape("src country CH")
	if code, _ := l.do("GET", q, "", &top); code != 200 || top.Records != 100 || top.Bins != 100 || top.Total != 5_050_000 || len(top.Rows) != 2 {
		t.Fatalf("%d %+v", code, top)
	}
	if r := top.Rows[0]; r["sip"] != "198.51.100.100" || r["sport"] != 443.0 || r["value"] != 100_000.0 || r["percent"] != 1.98 || top.Rows[1]["cumulative"] != 3.941 {
		t.Errorf("%+v", top.Rows)
	}
	if top.About["198.51.100.100"].Feed != "ours" || top.First.IsZero() {
		t.Errorf("%+v", top)
	}
	var none Top
	if l.do("GET", "top?expression="+url.QueryEscape("src country NO"), "", &none); none.Records != 0 || len(none.Rows) != 0 {
		t.Errorf("%+v", none)
	}
	var hours Top
	if l.do("GET", "top?fields=hour,scc&count=0", "", &hours); len(hours.Rows) != 1 || hours.Rows[0]["scc"] != "CH" {
		t.Errorf("%+v", hours)
	}
	for query, want := range map[string]string{
		"expression=src+contry+CH": "did you mean country", "fields=sipp": "sipp", "value=litres": "litres", "count=x": "count", "count=100000": "count",
		"expression=ip+@/etc/passwd": "not allowed here", "expression=" + strings.Repeat("(", 2500): "longer", "last=999d": "366d",
	} {
		if code, _ := l.do("GET", "top?"+query, "", &p); code != 400 || !strings.Contains(p.Error, want) {
			t.Errorf("%.60s: %d %s", query, code, p.Error)
		}
	}
	var m problem
	if l.do("GET", "top?expression="+url.QueryEscape("src contry CH"), "", &m); m.Mistake == nil || m.Mistake.At != 4 || m.Mistake.Suggestion != "country" {
		t.Errorf("%+v", m.Mistake)
	}
	// Files that expired under the question, or were taken away, are no hang and no lie. The
	// question is another one: an answer serves for a while.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	var gone Top
	if code, _ := l.do("GET", q+"&raw=true", "", &gone); code != 200 || gone.Records != 0 {
		t.Errorf("without its folder: %d %+v", code, gone)
	}
}

// TestQuestionsWaitTheirTurn: few are answered at once, and nobody waits for ever.
func TestQuestionsWaitTheirTurn(t *testing.T) {
	l := newLab(t)
	l.keep()
	for range mostAsking {
		l.api.asking <- struct{}{}
	}
	done := make(chan int, 1)
	go func() {
		var p problem
		code, _ := l.do("GET", "top", "", &p)
		done <- code
	}()
	<-l.api.asking // one is done
	if code := <-done; code != 200 {
		t.Errorf("after its turn: %d", code)
	}
	<-l.api.asking
}

func TestFlows(t *testing.T) {
	l := newLab(t)
	l.keep()
	var f Flows
	if code, _ := l.do("GET", "flows?limit=3&sort=-bytes", "", &f); code != 200 || len(f.Flows) != 3 || !f.More || !strings.Contains(string(f.Flows[0]), `"scc":"CH"`) {
		t.Errorf("%d %+v %s", code, f, f.Flows)
	}
	var p problem
	if code, _ := l.do("GET", "flows?sort=colour", "", &p); code != 400 {
		t.Errorf("%d %s", code, p.Error)
	}
}

func TestAddress(t *testing.T) {
	l := newLab(t)
	l.say(made("aaa", hit.Critical, "198.51.100.7"))
	var a Address
	if code, _ := l.do("GET", "addresses/198.51.100.7", "", &a); code != 200 || len(a.Lists) != 1 || a.Lists[0].Feed != "ours" || len(a.Series) != 1 || a.Own {
		t.Errorf("%d %+v", code, a)
	}
	if l.do("GET", "addresses/10.1.2.3", "", &a); !a.Own || len(a.Series) != 1 {
		t.Errorf("%+v", a)
	}
	var p problem
	for _, bad := range []string{"x", "198.51.100.0%2F24", strings.Repeat("9", 5000), "%3Cscript%3E"} {
		if code, _ := l.do("GET", "addresses/"+bad, "", &p); code != 400 {
			t.Errorf("%.40s: %d", bad, code)
		}
	}
}

// listedByOurs lists what is in 198.51.100.0/24.
func listedByOurs(a netip.Addr) []intel.Indicator {
	network := netip.MustParsePrefix("198.51.100.0/24")
	if !network.Contains(a) {
		return nil
	}
	return []intel.Indicator{{Prefix: network, Feed: "ours", Category: intel.C2, Score: 60, Ref: fmt.Sprint("https://intel.example/", a)}}
}

// TestTalk: a beacon is told by its pair and rhythm, its bytes by who sent them, from
// either end; and what answers it is the same.
func TestTalk(t *testing.T) {
	l := newLab(t)
	var records []flow.Record
	begin := time.Now().Add(-6 * time.Hour)
	add := func(dst string, at time.Time, bytes uint64, port uint16) {
		records = append(records, flow.Record{
			Src: flow.AddrFrom(netip.MustParseAddr("10.1.2.3")), Dst: flow.AddrFrom(netip.MustParseAddr(dst)), Exporter: flow.AddrFrom(netip.MustParseAddr("192.0.2.1")),
			Received: at.UnixNano(), Start: at.UnixNano(), End: at.UnixNano() + 1e9, Bytes: bytes, Packets: 5, RevBytes: 700, RevPackets: 4,
			Has:      flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasReverse,
			Sampling: 1, SrcPort: port, DstPort: 8443, Version: 10, Proto: 6, TCPFlags: flow.SYN | flow.ACK | flow.PSH,
		})
	}
	for i := range 60 {
		add("198.51.100.7", begin.Add(time.Duration(i*300+i%3)*time.Second), 500, uint16(30000+i))
	}
	add("203.0.113.9", begin, 1_000_000, 40000)
	l.keepFlows(records)
	var x Talk
	if code, _ := l.do("GET", "addresses/10.1.2.3/talk", "", &x); code != 200 || len(x.Pairs) != 2 || x.Total != 2 || x.Beyond != 0 {
		t.Fatalf("%d %+v", code, x)
	}
	p := x.Pairs[0] // listed, so it is the first
	if p.Peer != "198.51.100.7" || p.Port != 8443 || p.Proto != "tcp" || !p.Opened || p.State != hit.Established || p.Flows != 60 || p.Sent != 30_000 || p.Received != 42_000 {
		t.Errorf("%+v", p)
	}
	if p.Rhythm == nil || p.Rhythm.Score < 0.8 || p.Rhythm.Period < 299 || p.Rhythm.Period > 302 || p.Rhythm.Contacts != 60 || !strings.HasPrefix(p.Rhythm.Words, "every 5") {
		t.Errorf("%+v", p.Rhythm)
	}
	if p.Gaps == nil || len(p.Gaps.Edges) != len(p.Gaps.Counts)+1 || p.Gaps.Edges[0] < 290 || sumOf(p.Gaps.Counts)+p.Gaps.Outside != 59 {
		t.Errorf("%+v", p.Gaps)
	}
	if x.About["198.51.100.7"].Feed != "ours" || x.Pairs[1].Rhythm != nil || x.Pairs[1].Gaps != nil {
		t.Errorf("%+v", x)
	}
	var y Talk
	if l.do("GET", "addresses/198.51.100.7/talk", "", &y); len(y.Pairs) != 1 || y.Pairs[0].Peer != "10.1.2.3" || y.Pairs[0].Opened || y.Pairs[0].Sent != 42_000 || y.Pairs[0].Received != 30_000 {
		t.Errorf("from the other end: %+v", y)
	}
	var z Talk
	if l.do("GET", "addresses/10.1.2.3/talk?expression="+url.QueryEscape("dst port 8443 and bytes > 100k"), "", &z); len(z.Pairs) != 1 || z.Pairs[0].Peer != "203.0.113.9" {
		t.Errorf("with an expression: %+v", z)
	}
	if l.do("GET", "addresses/192.0.2.200/talk", "", &z); len(z.Pairs) != 0 || z.Pairs == nil {
		t.Errorf("nobody: %+v", z)
	}
}

func sumOf(all []int) (n int) {
	for _, v := range all {
		n += v
	}
	return n
}

// TestGaps: every gap is counted once, whatever there is.
func TestGaps(t *testing.T) {
	for _, gaps := range [][]float64{
		{300, 300, 300, 300}, {0, 0, 0, 0, 0}, {1, 10, 100, 1000, 10000, 1e6}, {0.1, 3e6, 0.2, 5, 7}, {299, 300, 301, 300, 86000}, {60, 60, 60, 120, 60, 180, 60},
	} {
		x := gapsOf(slices.Clone(gaps))
		if len(x.Counts) != gapPieces || len(x.Edges) != gapPieces+1 || sumOf(x.Counts)+x.Outside != len(gaps) || !slices.IsSorted(x.Edges) {
			t.Errorf("%v: %+v", gaps, x)
		}
		if x.Outside > len(gaps)/4 {
			t.Errorf("%v: %d are outside", gaps, x.Outside)
		}
	}
	if gapsOf([]float64{1, 2, 3}) != nil {
		t.Error("few gaps tell nothing")
	}
}

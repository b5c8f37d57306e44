package printed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// read returns the flows of a text as JSON, a line each, and what cannot be read.
func read(t testing.TB, text string, o Options) (flows, bad []string) {
	t.Helper()
	r, err := NewReader(strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var f flow.Record
		var line *LineError
		switch err := r.Next(&f); {
		case errors.Is(err, io.EOF):
			return flows, bad
		case errors.As(err, &line):
			bad = append(bad, err.Error())
		case err != nil:
			t.Fatalf("%s: %v", r.Format(), err)
		default:
			flows = append(flows, string(f.AppendJSON(nil)))
		}
	}
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// without removes keys that one of the forms does not print.
func without(line string, keys ...string) string {
	for _, k := range keys {
		if at := strings.Index(line, `"`+k+`":`); at >= 0 {
			end := at + strings.IndexAny(line[at:], ",}")
			if line[end] == ',' {
				end++
			}
			line = line[:at] + line[end:]
		}
	}
	return strings.ReplaceAll(line, ",}", "}")
}

// TestFormsAgree: the same twelve flows as nfdump 1.7.1 prints them in four forms. Csv
// has no milliseconds in its times, and the forms for people have only one direction.
func TestFormsAgree(t *testing.T) {
	want, bad := read(t, fixture(t, "nfdump.json"), Options{Zone: time.UTC})
	if len(want) != 12 || len(bad) > 0 {
		t.Fatalf("%d flows, %q", len(want), bad)
	}
	const first = `{"received":"2026-11-28T14:40:30.288Z","exporter":"127.0.0.1","domain":0,"version":0,"start":"2026-11-23T10:00:01.453Z","end":"2026-11-23T10:00:01.808Z",` +
		`"src":"10.1.0.129","dst":"198.51.100.61","sport":54469,"dport":443,"proto":6,"bytes":600,"packets":5,"rev_bytes":2060,"rev_packets":4,"tcp_flags":27,"tos":0}`
	if want[0] != first {
		t.Errorf("json:\n%s\nwant\n%s", want[0], first)
	}
	for name, lacks := range map[string][]string{
		"nfdump.csv":      {"start", "end"},
		"nfdump.extended": {"received", "exporter", "rev_bytes", "rev_packets"},
		"nfdump.line":     {"received", "exporter", "rev_bytes", "rev_packets", "tcp_flags", "tos"},
	} {
		got, bad := read(t, fixture(t, name), Options{Zone: time.UTC})
		if len(got) != len(want) || len(bad) > 0 {
			t.Errorf("%s: %d flows, %q", name, len(got), bad)
			continue
		}
		for n := range want {
			if g, w := without(got[n], lacks...), without(want[n], lacks...); g != w {
				t.Errorf("%s:\n%s\nwant\n%s", name, g, w)
			}
		}
	}
}

// TestCSVMeaning: ICMP in the place of the port, the engine, interfaces, times of whole
// seconds with a duration in milliseconds, and a zone with summer time.
func TestCSVMeaning(t *testing.T) {
	got, bad := read(t, fixture(t, "nfdump-v5.csv"), Options{Zone: time.UTC})
	want := []string{
		`"src":"10.0.0.1","dst":"192.0.2.1","proto":1,"bytes":40,"packets":30,"tos":8,"in_if":1,"out_if":2,"sas":64512,"das":15169,"icmp_type":1,"icmp_code":4}`,
		`"src":"10.0.0.1","dst":"192.0.2.6","sport":1025,"dport":53,"proto":6,"bytes":40,"packets":30,"tcp_flags":27,"tos":8,"in_if":1,"out_if":2,"sas":64512,"das":15169}`,
		`"src":"10.0.0.1","dst":"192.0.2.47","proto":47,"bytes":40,"packets":30,"tos":8,"in_if":1,"out_if":2,"sas":64512,"das":15169}`,
		`"src":"10.0.0.1","dst":"192.0.2.58","proto":58,"bytes":40,"packets":30,"tos":8,"in_if":1,"out_if":2,"sas":64512,"das":15169,"icmp_type":8,"icmp_code":3}`,
		`"src":"10.0.0.1","dst":"192.0.2.132","sport":1025,"dport":53,"proto":132,"bytes":40,"packets":30,"tos":8,"in_if":1,"out_if":2,"sas":64512,"das":15169}`,
	}
	if len(got) != len(want) || len(bad) > 0 {
		t.Fatalf("%d flows, %q", len(got), bad)
	}
	for n := range want {
		if !strings.HasSuffix(got[n], want[n]) || !strings.Contains(got[n], `"start":"2026-11-23T09:58:21Z","end":"2026-11-23T09:58:22Z"`) {
			t.Errorf("%s\nwant ...%s", got[n], want[n])
		}
	}
	const head = "ts,te,td,sa,da,sp,dp,pr,ipkt,ibyt,eng\n"
	for _, tt := range []struct{ zone, text, want string }{
		{"America/New_York", "2026-03-08 01:59:59,2026-03-08 03:00:01,2.250,10.0.0.1,192.0.2.1,1,2,UDP,1,100,1/7", `"domain":263,"version":0,"start":"2026-03-08T06:59:59Z","end":"2026-03-08T07:00:01.25Z"`},
		{"America/New_York", "2026-07-01 00:00:00,2026-07-01 00:00:00,0.000,10.0.0.1,192.0.2.1,1,2,17,1,100,0/0", `"start":"2026-07-01T04:00:00Z"`},
		{"Asia/Kathmandu", "2026-07-01 00:00:00,2026-07-01 00:00:00,0.000,10.0.0.1,192.0.2.1,1,2,17,1,100,0/0", `"start":"2026-06-30T18:15:00Z"`},
		{"UTC", "2026-07-01T02:00:00.5+02:00,,0.000,10.0.0.1,192.0.2.1,1,2,17,1,100,0/0", `"start":"2026-07-01T00:00:00.5Z"`},
		{"UTC", "1782864000.5,,1.5,10.0.0.1,192.0.2.1,1,2,17,1,100,0/0", `"start":"2026-07-01T00:00:00.5Z","end":"2026-07-01T00:00:02Z"`},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := read(t, head+tt.text+"\n", Options{Zone: zone}); len(got) != 1 || !strings.Contains(got[0], tt.want) {
			t.Errorf("%s: %q %q, want %s", tt.text, got, bad, tt.want)
		}
	}
}

func TestRwcut(t *testing.T) {
	want := []string{
		`{"received":"2026-06-07T10:38:11.127Z","exporter":"192.0.2.99","domain":0,"version":0,"start":"2026-06-07T10:37:51.123Z","end":"2026-06-07T10:38:11.127Z","src":"10.1.2.3","dst":"198.51.100.7","sport":51234,"dport":443,"proto":6,"bytes":18412,"packets":97,"sampling":100,"tcp_flags":27,"in_if":1,"out_if":2}`,
		`{"received":"2026-06-07T10:38:11.063Z","exporter":"192.0.2.99","domain":0,"version":0,"start":"2026-06-07T10:37:51.163Z","end":"2026-06-07T10:38:11.063Z","src":"198.51.100.7","dst":"10.1.2.3","sport":443,"dport":51234,"proto":6,"bytes":150000,"packets":120,"sampling":100,"tcp_flags":146,"in_if":2,"out_if":1}`,
		`{"received":"2026-06-07T10:40:02Z","exporter":"192.0.2.99","domain":0,"version":0,"start":"2026-06-07T10:40:00Z","end":"2026-06-07T10:40:02Z","src":"10.1.2.3","dst":"192.0.2.1","proto":1,"bytes":252,"packets":3,"sampling":100,"icmp_type":8,"icmp_code":0}`,
		`{"received":"2026-06-07T10:41:00.047Z","exporter":"192.0.2.99","domain":0,"version":0,"start":"2026-06-07T10:41:00.047Z","end":"2026-06-07T10:41:00.047Z","src":"2001:db8:1::42","dst":"2001:db8:f00d::53","sport":59094,"dport":53,"proto":17,"bytes":90,"packets":1,"sampling":100}`,
	}
	o := Options{Sampling: 100, Exporter: flow.Addr4(0xc0000263)}
	text := fixture(t, "rwcut.txt")
	comma := strings.ReplaceAll(strings.ReplaceAll(text, " ", ""), "|", ",")
	for _, text := range []string{text, comma} {
		if got, bad := read(t, text, o); strings.Join(got, "\n") != strings.Join(want, "\n") || len(bad) > 0 {
			t.Errorf("got\n%s\n%q\nwant\n%s", strings.Join(got, "\n"), bad, strings.Join(want, "\n"))
		}
	}
	got, bad := read(t, "sIP|dIP|sPort|dPort|pro|packets|bytes|flags|sTime|dur|iTy|iCo|\n0167837769|010.001.000.073|0|0|1|1|84|0|1780828671.5|0.25|3|13|\n", Options{})
	if len(got) != 1 || !strings.Contains(got[0], `"src":"10.1.0.73","dst":"10.1.0.73","proto":1,"bytes":84,"packets":1,"icmp_type":3,"icmp_code":13`) || !strings.Contains(got[0], `"start":"2026-06-07T10:37:51.5Z","end":"2026-06-07T10:37:51.75Z"`) {
		t.Errorf("numbers for addresses and times: %q %q", got, bad)
	}
}

func TestJSON(t *testing.T) {
	const nat = `{"first":"2026-06-07T10:37:51.123","last":"2026-06-07T10:37:52","proto":6,"src_port":1,"dst_port":443,"src4_addr":"10.0.0.1","dst4_addr":"198.51.100.7","tcp_flags":"......S.",` +
		`"src4_xlt_ip":"203.0.113.1","dst4_xlt_ip":"198.51.100.7","src_xlt_port":"4711","event_id":"3","in_packets":1,"in_bytes":40}`
	want := `"bytes":40,"packets":1,"tcp_flags":2,"firewall_event":3,"nat_src":"203.0.113.1","nat_dst":"198.51.100.7"}`
	for name, text := range map[string]string{"an array": "\n [" + nat + "," + nat + "]\n", "one a line": nat + "\n" + nat + "\n"} {
		if got, bad := read(t, text, Options{Zone: time.UTC}); len(got) != 2 || !strings.HasSuffix(got[1], want) || len(bad) > 0 {
			t.Errorf("%s: %q %q", name, got, bad)
		}
	}
	for text, want := range map[string]string{
		"[" + nat: "no end", `[{"proto":6},`: "no source and destination", `[{"proto":"tcp"}]`: "cannot unmarshal", "[1]": "cannot unmarshal",
		`[{"type":"` + strings.Repeat("x", 3*maxLine) + `"}]`: "longer than the limit",
	} {
		r, err := NewReader(strings.NewReader(text), Options{})
		for err == nil {
			err = r.Next(new(flow.Record))
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want ...%s...", text, err, want)
		}
	}
}

// TestWrongLines: a wrong line costs itself, and says what to do where there is something.
func TestWrongLines(t *testing.T) {
	const csv, fine = "ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt\n", "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP,...A..S.,1,100\n"
	const text, fineText = "Date first seen  Duration Proto Src IP Addr:Port Dst IP Addr:Port Packets Bytes Flows\n", "2026-06-07 10:00:00.000 1d 00:00:01.000 TCP 10.0.0.1:1 -> 192.0.2.1:2 1 100 1\n"
	for _, tt := range []struct{ head, fine, line, want string }{
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP", "line 2: 8 columns where the titles have 11"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,,1,2,TCP,,1,100", "no source and destination"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,,,1,100", "no protocol"},
		{csv, fine, ",,1.0,10.0.0.1,192.0.2.1,1,2,TCP,,1,100", "no time"},
		{csv, fine, "yesterday,,1.0,10.0.0.1,192.0.2.1,1,2,TCP,,1,100", "column ts: is not a time"},
		{csv, fine, "2026-13-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP,,1,100", "column ts"},
		{csv, fine, "9999-01-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP,,1,100", "column ts"},
		{csv, fine, "2026-06-07 10:00:00,,9000000000.0,10.0.0.1,192.0.2.1,1,2,TCP,,1,100", "duration"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.300,192.0.2.1,1,2,TCP,,1,100", "column sa"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,99999,2,TCP,,1,100", "column sp"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCQ,,1,100", "with -N"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP,XYZ,1,100", "column flg"},
		{csv, fine, "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP,,1,-5", "column ibyt"},
		{text, fineText, "2026-06-07 10:00:00.000 1.000 TCP 10.0.0.1:1 -> 192.0.2.1:2 1 1.2 M 1", "with -N"},
		{text, fineText, "2026-06-07 10:00:00.000 1.000 UDP 2001:db8:1::42.59094 -> 2001:db..00d::53.53 1 90 1", "extended6"},
		{text, fineText, "2026-06-07 10:00:00.000 1.000 TCP 10.0.0.1:1 <-> 192.0.2.1:2 1 2 100 200 2", "both directions"},
		{text, fineText, "rubbish", "not a line of"},
		{text, fineText, "a b c -> d", "not a line of"},
	} {
		got, bad := read(t, tt.head+tt.line+"\n"+tt.fine, Options{Zone: time.UTC})
		if len(bad) != 1 || !strings.Contains(bad[0], tt.want) || len(got) != 1 {
			t.Errorf("%s: %d flows, %q, want ...%s...", tt.line, len(got), bad, tt.want)
		}
	}
	for _, text := range []string{"", "\n\n", "hello\n", "a,b,c\n", "10.0.0.1\n", "\x00\x01"} {
		if _, err := NewReader(strings.NewReader(text), Options{}); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := NewReader(strings.NewReader(strings.Repeat("x", 2*maxLine)), Options{}); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a line without end: %v", err)
	}
}

func TestProtocols(t *testing.T) {
	for name, want := range map[string]uint8{"TCP": 6, "udp": 17, "ICMP6": 58, "GRE": 47, "SCTP": 132, "UDP-L": 136, "MPLS": 137, "OSPF": 89, "ETHIP": 97, "ISIS4": 124, "0": 0, "255": 255, "134": 134} {
		if got, err := parseProto([]byte(name)); err != nil || got != want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"nfdump.csv", "nfdump.json", "nfdump.extended", "nfdump.line", "nfdump-v5.csv", "rwcut.txt"} {
		f.Add([]byte(fixture(f, name)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(strings.NewReader(string(b)), Options{Zone: time.UTC})
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			var out flow.Record
			var line *LineError
			if err := r.Next(&out); err != nil && !errors.As(err, &line) {
				return
			} else if err == nil && (out.End < out.Start || out.Start < 0 || out.Received < 0 || out.Sampling != 1) {
				t.Fatalf("%s", out.AppendJSON(nil))
			}
			if n > len(b) {
				t.Fatal("more lines than bytes")
			}
		}
	})
}

func BenchmarkCSV(b *testing.B)   { benchmark(b, "nfdump.csv") }
func BenchmarkRwcut(b *testing.B) { benchmark(b, "rwcut.txt") }

func benchmark(b *testing.B, name string) {
	head, rest, _ := strings.Cut(fixture(b, name), "\n")
	lines := strings.Split(rest, "\n")[0]
	r, err := NewReader(io.MultiReader(strings.NewReader(head+"\n"), &repeat{line: lines + "\n"}), Options{Zone: time.UTC})
	if err != nil {
		b.Fatal(err)
	}
	var out flow.Record
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Next(&out); err != nil {
			b.Fatal(err)
		}
	}
}

// repeat is a line without end.
type repeat struct {
	line string
	at   int
}

func (r *repeat) Read(b []byte) (n int, err error) {
	for n < len(b) {
		c := copy(b[n:], r.line[r.at:])
		n, r.at = n+c, (r.at+c)%len(r.line)
	}
	return n, nil
}

func ExampleReader() {
	r, err := NewReader(strings.NewReader("sIP|dIP|sPort|dPort|pro|packets|bytes|sTime|\n10.1.2.3|198.51.100.7|51234|443|6|97|18412|2026/06/07T10:37:51.123|\n"), Options{})
	if err != nil {
		return
	}
	var f flow.Record
	err = r.Next(&f)
	fmt.Println(r.Format(), f.Src, f.Dst, f.DstPort, err)
	// Output: rwcut 10.1.2.3 198.51.100.7 443 <nil>
}

// TestRwcutForms: what rwcut of SiLK 3.19.1 prints of the same five flows with its
// options, "== " before each, reads as the same flows.
func TestRwcutForms(t *testing.T) {
	forms := map[string]string{}
	for part := range strings.SplitSeq(fixture(t, "rwcut-forms.txt"), "== ") {
		if name, text, ok := strings.Cut(part, "\n"); ok {
			forms[name] = text
		}
	}
	want, bad := read(t, forms["default"], Options{})
	if len(want) != 5 || len(bad) > 0 || !strings.Contains(want[0], `"start":"2026-06-07T10:37:51.123Z","end":"2026-06-07T10:38:11.127Z","src":"10.1.2.3","dst":"198.51.100.7","sport":51234,"dport":443,"proto":6,"bytes":18412,"packets":97,"tcp_flags":27}`) {
		t.Fatalf("%d flows, %q\n%s", len(want), bad, strings.Join(want, "\n"))
	}
	part := map[string][]string{ // keys that the form has no column for, or that default has none for
		"few": {"sport", "dport", "bytes", "packets", "tcp_flags", "end", "received", "icmp_type", "icmp_code"}, "many": {"in_if", "out_if"}, "all": {"in_if", "out_if"},
		"legacy": {"start", "end", "received"}, "ts-default,no-msec": {"start", "end", "received"},
	}
	for name, text := range forms {
		got, bad := read(t, text, Options{})
		switch name {
		case "ip-hexadecimal", "space": // each line says which option helps
			if len(got) > 0 || len(bad) != 5 || !strings.Contains(bad[0], "let rwcut print --") {
				t.Errorf("%s: %d flows, %q", name, len(got), bad)
			}
			continue
		}
		if len(got) != len(want) || len(bad) > 0 {
			t.Errorf("%s: %d flows, %q", name, len(got), bad)
			continue
		}
		for n := range want {
			if g, w := without(got[n], part[name]...), without(want[n], part[name]...); g != w {
				t.Errorf("%s:\n%s\nwant\n%s", name, g, w)
			}
		}
	}
	// A zone other than UTC is asked for; commas do not make it nfdump's.
	if r, err := NewReader(strings.NewReader(forms["comma"]), Options{}); err != nil || r.Format() != "rwcut" {
		t.Errorf("%v, %v", r, err)
	}
	if _, bad := read(t, "sIP|dIP|sPort|dPort|pro|sTime|\n40000001|10.0.0.1|1|2|6|1780828671|\n", Options{}); len(bad) != 1 || !strings.Contains(bad[0], "--ip-format=canonical") {
		t.Errorf("an address that is a decimal or a hexadecimal number: %q", bad)
	}
	if _, bad := read(t, "10.1.2.3|198.51.100.7|51234|443|6|97|18412|FS PA   |1780828671|20|1780828691|0|\nrubbish\n", Options{}); len(bad) != 1 || !strings.HasPrefix(bad[0], "line 2:") {
		t.Errorf("a wrong line below no titles: %q", bad)
	}
}

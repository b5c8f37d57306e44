package show

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

// samples are records of both families, behind NAT, of ICMP, of two domains, and without
// most fields.
func samples() []*query.Found {
	const at = 1_780_000_000_000_000_000
	tcp := flow.Record{
		Src: addr("10.1.2.3"), Dst: addr("198.51.100.7"), NATSrc: addr("203.0.113.9"), NATSrcPort: 2000, Exporter: addr("192.0.2.1"), SrcPort: 51234, DstPort: 443, Proto: 6, TCPFlags: 0x1b, ToS: 8, InIf: 3, OutIf: 7,
		Bytes: 1 << 40, Packets: 97, Sampling: 100, Start: at, End: at + 20e9, Received: at + 21e9, Version: 9, Domain: 5, SrcAS: 64500, DstAS: 4200000000,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf | flow.HasNATSrc | flow.HasSampling | flow.HasSrcAS | flow.HasDstAS,
	}
	icmp := flow.Record{Src: addr("2001:db8::1"), Dst: addr("2001:db8::2"), Exporter: addr("2001:db8::9"), Proto: 58, ICMPType: 128, ICMPCode: 1, Bytes: 64, Packets: 1, Sampling: 1, Start: at + 5e6, End: at + 5e6, Received: at + 22e9, Version: 10, Domain: 6,
		Has: flow.HasStart | flow.HasEnd | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasICMP}
	bare := flow.Record{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Exporter: addr("192.0.2.1"), Received: at + 23e9, Sampling: 1, Version: 10, Domain: 5}
	var out []*query.Found
	for _, r := range []flow.Record{tcp, icmp, tcp, bare, icmp} {
		out = append(out, &query.Found{Record: query.Record{Record: r, SrcCC: "private", DstCC: "NO", SrcAS: r.SrcAS, DstAS: r.DstAS}})
	}
	return out
}

func write(t *testing.T, w Writer, found []*query.Found) {
	t.Helper()
	for _, f := range found {
		if err := w.Flow(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIPFIXIsReadBack: our own reader gets the same records from the file's messages.
func TestIPFIXIsReadBack(t *testing.T) {
	var b bytes.Buffer
	var found []*query.Found
	for range 700 { // several messages
		found = append(found, samples()...)
	}
	write(t, NewIPFIX(&b), found)
	d := netflow.NewDecoder(netflow.Options{})
	var batch flow.Batch
	var got []flow.Record
	messages := 0
	for rest := b.Bytes(); len(rest) > 0; messages++ {
		n := binary.BigEndian.Uint16(rest[2:])
		batch.Reset()
		if err := d.Decode(rest[:n], netip.MustParseAddrPort("192.0.2.1:4739"), found[0].Received, &batch); err != nil {
			t.Fatal(err)
		}
		got = append(got, batch.Records...)
		rest = rest[n:]
	}
	if len(got) != len(found) || messages < 4 {
		t.Fatalf("%d records of %d in %d messages", len(got), len(found), messages)
	}
	for i := range got {
		want := found[i].Record.Record
		want.Exporter, want.Received, want.Version = got[i].Exporter, got[i].Received, 10 // of the transport
		if got[i] != want {
			t.Fatalf("record %d:\n got %+v\nwant %+v", i, got[i], want)
		}
	}
}

// TestTsharkReadsIPFIX: so does another program.
func TestTsharkReadsIPFIX(t *testing.T) {
	tshark := peer.Path(t, "tshark", "tshark")
	path := filepath.Join(t.TempDir(), "flows.ipfix")
	var b bytes.Buffer
	write(t, NewIPFIX(&b), samples())
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-n", "-r", path, "-T", "fields", "-e", "cflow.srcaddr", "-e", "cflow.srcaddrv6", "-e", "cflow.octets", "-E", "aggregator=,").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.1.2.3", "2001:db8::1", "1099511627776", "64"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("tshark does not say %s:\n%s", want, out)
		}
	}
}

func TestParquetIsReadBack(t *testing.T) {
	var b bytes.Buffer
	write(t, NewParquet(&b), samples())
	rows, err := parquet.Read[Row](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	if r := rows[0]; r.Src != "10.1.2.3" || *r.DstPort != 443 || *r.Bytes != 1<<40 || *r.NATSrc != "203.0.113.9" || r.DstAS != 4200000000 || r.DstCC != "NO" || !r.Start.Equal(time.Unix(1_780_000_000, 0)) {
		t.Errorf("%+v", r)
	}
	if r := rows[3]; r.Start != nil || r.SrcPort != nil || r.Bytes != nil || r.NATSrc != nil || r.Dst != "10.0.0.2" {
		t.Errorf("what was not sent is not null: %+v", r)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	write(t, NewJSON(&b), samples()[:2])
	var first, second map[string]any
	d := json.NewDecoder(&b)
	if err := d.Decode(&first); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(&second); err != nil {
		t.Fatal(err)
	}
	if first["scc"] != "private" || first["dcc"] != "NO" || first["das"] != 4200000000.0 || first["bytes"] != float64(1<<40) || first["nat_src"] != "203.0.113.9" {
		t.Errorf("%v", first)
	}
	if _, ok := second["sport"]; ok || second["icmp_type"] != 128.0 {
		t.Errorf("%v", second)
	}
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	write(t, NewCSV(&b), samples())
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 6 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		if strings.Count(l, ",") != len(csvColumns)-1 {
			t.Errorf("%d values in %s", strings.Count(l, ",")+1, l)
		}
	}
	if lines[4] != ",,10.0.0.1,10.0.0.2,,,,,,,,1,,,,,,,,,,,,,private,NO,0,0,192.0.2.1,5,10,2026-05-28T20:27:03Z" {
		t.Errorf("%s", lines[4])
	}
	b.Reset()
	write(t, NewCSV(&b), nil)
	if !strings.HasPrefix(b.String(), "start,end,src,") {
		t.Errorf("without flows: %q", b.String())
	}
}

// TestTableFits: a line is no longer than the terminal is wide, as long as columns can go.
func TestTableFits(t *testing.T) {
	for _, width := range []int{0, 250, 180, 140, 110, 100} {
		var b bytes.Buffer
		write(t, NewTable(&b, TableOptions{Zone: time.UTC, Width: width}), samples())
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != 6 {
			t.Fatalf("%d lines:\n%s", len(lines), b.String())
		}
		for _, l := range lines {
			if width > 0 && len(l) > width {
				t.Errorf("%d columns on a terminal of %d:\n%s", len(l), width, l)
			}
		}
		if !strings.Contains(lines[0], "BYTES") || !strings.Contains(lines[1], "109951162777600") {
			t.Errorf("width %d: no bytes, multiplied by sampling:\n%s", width, b.String())
		}
		if width == 0 && (!strings.Contains(lines[1], "from 203.0.113.9:2000") || !strings.Contains(lines[2], "type 128/1")) {
			t.Errorf("%s", b.String())
		}
	}
	var b bytes.Buffer
	write(t, NewTable(&b, TableOptions{Zone: time.UTC}), nil)
	if b.Len() > 0 {
		t.Errorf("a table without flows: %q", b.String())
	}
}

// TestLongTable: what follows the first rows is printed in their columns.
func TestLongTable(t *testing.T) {
	var b bytes.Buffer
	var found []*query.Found
	for range 3 * ahead / 5 {
		found = append(found, samples()...)
	}
	write(t, NewTable(&b, TableOptions{Zone: time.UTC}), found)
	if n := strings.Count(b.String(), "\n"); n != len(found)+1 {
		t.Errorf("%d lines for %d flows", n, len(found))
	}
}

package query_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/show"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

// TestSameSumsAsNfdump: a million flows, as IPFIX datagrams, are received by nfcapd and
// by us. nfdump and we are asked ten questions; flows, packets and bytes are the same.
func TestSameSumsAsNfdump(t *testing.T) {
	peer.Long(t)
	nfcapd, nfdump := peer.Path(t, "nfcapd", "nfdump"), peer.Path(t, "nfdump", "nfdump")
	files := t.TempDir()
	capture := startNfcapd(t, nfcapd, files)
	dir := t.TempDir()
	w, err := dataset.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	decoder := netflow.NewDecoder(netflow.Options{})
	var batch flow.Batch
	day := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	send(t, flowgen.Options{Flows: 1_000_000, Day: day.Unix(), Seed: 1}, func(datagram []byte, received int64) {
		if err := capture.Send(datagram); err != nil {
			t.Fatal(err)
		}
		batch.Reset()
		if err := decoder.Decode(datagram, netip.MustParseAddrPort("127.0.0.1:9995"), received, &batch); err != nil {
			t.Fatal(err)
		}
		sent += len(batch.Records)
		if err := w.Add(batch.Records); err != nil {
			t.Fatal(err)
		}
	})
	for _, err := range []error{capture.Stop(), w.Flush(), w.Tidy(context.Background(), day.AddDate(1, 0, 0)), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if sent < 1_000_000 {
		t.Fatalf("%d flows were made", sent)
	}
	d, closed, err := query.Open(dir, time.Time{}, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	for _, question := range []struct{ ours, theirs string }{
		{"any", "any"},
		{"src net 10.20.0.0/16", "src net 10.20.0.0/16"},
		{"dst port 443 and proto tcp", "dst port 443 and proto tcp"},
		{"net 147.32.0.0/18 and not port 53", "net 147.32.0.0/18 and not port 53"},
		{"proto udp or proto icmp", "proto udp or proto icmp"},
		{"bytes > 100k", "bytes > 100000"},
		{"packets 1 and flags S/SARF", "packets = 1 and flags S and not flags ARF"},
		{"src port > 1023 and dst port 22,23,3389", "src port > 1023 and dst port in [22 23 3389]"},
		{"ipv6 and in if 1", "ipv6 and in if 1"},
		{"src ip 147.32.0.0-147.32.0.255 and duration > 10s and not (dst port 80 or dst port 443)", "src net 147.32.0.0/24 and duration > 10000 and not (dst port 80 or dst port 443)"},
	} {
		filter, err := query.Parse(question.ours, query.Env{})
		if err != nil {
			t.Fatal(err)
		}
		var got [3]uint64
		for i, v := range []query.Value{query.CountFlows, query.SumPackets, query.SumBytes} {
			keys, _ := query.ParseKeys("version")
			top, err := d.Top(context.Background(), query.Question{Filter: filter}, query.TopOptions{Keys: keys, Value: v})
			if err != nil {
				t.Fatal(err)
			}
			got[i] = top.Total
		}
		if want := askNfdump(t, nfdump, files, question.theirs); got != want || got[0] == 0 {
			t.Errorf("%s: we have %d flows, %d packets, %d bytes; nfdump has %d, %d, %d", question.ours, got[0], got[1], got[2], want[0], want[1], want[2])
		}
	}
}

// send gives the datagrams of a made day to each, as one exporter sends them.
func send(t *testing.T, o flowgen.Options, each func(datagram []byte, received int64)) {
	t.Helper()
	var b bytes.Buffer
	out := show.NewIPFIX(&b)
	flowgen.Generate(o, func(flows []flowgen.Flow) {
		for i := range flows {
			r := recordOf(&flows[i])
			if err := out.Flow(&query.Found{Record: query.Record{Record: r}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil { // a message ends with the datagram
			t.Fatal(err)
		}
		for b.Len() > 0 {
			each(b.Next(int(binary.BigEndian.Uint16(b.Bytes()[2:]))), flows[0].Received)
		}
		b.Reset()
	})
}

// recordOf makes a record of a made flow. nfdump takes the addresses of NAT from
// firewalls alone, so they are left out.
func recordOf(f *flowgen.Flow) flow.Record {
	return flow.Record{
		Src: flow.AddrFrom16(f.Src[:]), Dst: flow.AddrFrom16(f.Dst[:]), SrcPort: f.SrcPort, DstPort: f.DstPort, Proto: f.Proto, TCPFlags: uint16(f.Flags), ToS: f.ToS,
		InIf: uint32(f.InIf), OutIf: uint32(f.OutIf), Bytes: f.Bytes, Packets: uint64(f.Packets), Start: f.Start * 1e6, End: f.End * 1e6, Received: f.Received, Sampling: 1,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf,
	}
}

// startNfcapd runs an nfcapd that writes to dir.
func startNfcapd(t *testing.T, program, dir string) *peer.Nfcapd {
	t.Helper()
	n, err := peer.StartNfcapd(program, dir, peer.FreePort(t, "udp").Port, "-y")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	return n
}

var summary = regexp.MustCompile(`total flows: (\d+), total bytes: (\d+), total packets: (\d+)`)

// askNfdump returns flows, packets and bytes of what a filter of nfdump accepts.
func askNfdump(t *testing.T, program, dir, filter string) (sums [3]uint64) {
	t.Helper()
	out, err := exec.Command(program, "-R", dir, "-N", "-s", "proto/flows", "-n", "1", filter).CombinedOutput()
	if err != nil {
		t.Fatalf("nfdump %s: %v: %s", filter, err, out)
	}
	m := summary.FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("nfdump %s: %s", filter, out)
	}
	for i, at := range []int{1, 3, 2} {
		sums[i], err = strconv.ParseUint(m[at], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
	}
	return sums
}

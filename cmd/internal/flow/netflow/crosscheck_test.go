package netflow_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// What others make of the captures in testdata: tshark's dissector field by field, in
// the order of the wire, and nfdump flow by flow.

// readsLess names the captures of which a peer is known to read less, and why.
var readsLess = map[string]map[string]string{
	"tshark": {
		"odd-lists":    "a record is one flow for it, whatever its lists hold",
		"odd-prefixes": "it takes a flow without elements 8 and 12 for none",
	},
	"nfdump": {
		"odd-counters": "it does not know these counters",
		"odd-lists":    "it does not know lists",
		"odd-prefixes": "it does not know elements 44 and 45",
		"odd-yaf":      "it reads the fields of a list's template as the record's",
	},
}

// captures returns the captures of the project that hold NetFlow or IPFIX and that the
// peer can read whole.
func captures(t *testing.T, program string) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"testdata/*/capture.pcap", "../../../../testdata/pcap/mixed-*.pcap.gz", "../../demo/assets/capture.pcap.gz"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no captures, %v", pattern, err)
		}
		paths = append(paths, found...)
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		return readsLess[program][filepath.Base(filepath.Dir(path))] != ""
	})
}

// datagrams reads a capture.
func datagrams(t *testing.T, path string) (list []pcap.Packet) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcap.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Payload = bytes.Clone(p.Payload)
		list = append(list, p)
	}
}

// decode returns the records of each datagram.
func decode(list []pcap.Packet) [][]flow.Record {
	d := netflow.NewDecoder(netflow.Options{})
	all := make([][]flow.Record, len(list))
	for i, p := range list {
		var out flow.Batch
		_ = d.Decode(p.Payload, p.Src, p.Time.UnixNano(), &out)
		all[i] = out.Records
	}
	return all
}

// field is a part of tshark's PDML.
type field struct {
	Name   string  `xml:"name,attr"`
	Show   string  `xml:"show,attr"`
	Value  string  `xml:"value,attr"` // hexadecimal
	Fields []field `xml:"field"`
}

// first returns the first of a flow's fields that has one of the names.
func (f *field) first(names ...string) *field {
	for i := range f.Fields {
		if slices.Contains(names, f.Fields[i].Name) {
			return &f.Fields[i]
		}
		if g := f.Fields[i].first(names...); g != nil {
			return g
		}
	}
	return nil
}

// unread reports whether tshark could not read a set.
func (f *field) unread() bool {
	return strings.Contains(f.Show, "no template found") || slices.ContainsFunc(f.Fields, func(g field) bool { return g.unread() })
}

// countLies tells v9 messages whose header announces less than they hold: softflowd's
// first one. tshark believes it, and misses the template behind.
func countLies(b []byte, records int) bool {
	return len(b) > 4 && b[1] == 9 && int(b[2])<<8|int(b[3]) <= records
}

// flows collects the flows with an address of a message.
func (f *field) flows(to []field) []field {
	for _, g := range f.Fields {
		if strings.HasPrefix(g.Show, "Flow ") || strings.HasPrefix(g.Show, "pdu ") {
			if g.first("cflow.srcaddr", "cflow.srcaddrv6") != nil {
				to = append(to, g)
			}
			continue
		}
		to = g.flows(to)
	}
	return to
}

func (f *field) number(t *testing.T) uint64 {
	t.Helper()
	b, err := hex.DecodeString(f.Value)
	if err != nil || len(b) > 8 {
		t.Fatalf("%+v: %v", f, err)
	}
	n := uint64(0)
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n
}

func TestTsharkAgrees(t *testing.T) {
	tshark := peer.Path(t, "tshark", "tshark")
	for _, path := range captures(t, "tshark") {
		t.Run(path, func(t *testing.T) {
			list := datagrams(t, path)
			args := []string{"-r", path, "-T", "pdml", "-Y", "cflow"}
			ports := map[uint16]bool{}
			for _, p := range list {
				if !ports[p.Dst.Port()] {
					ports[p.Dst.Port()] = true
					args = append(args, "-d", fmt.Sprintf("udp.port==%d,cflow", p.Dst.Port()))
				}
			}
			var trouble bytes.Buffer
			cmd := exec.CommandContext(t.Context(), tshark, args...)
			cmd.Stderr = &trouble
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, trouble.Bytes())
			}
			var doc struct {
				Packets []struct {
					Protos []field `xml:"proto"`
				} `xml:"packet"`
			}
			if err := xml.Unmarshal(out, &doc); err != nil {
				t.Fatal(err)
			}
			ours := decode(list)
			if len(doc.Packets) != len(ours) {
				t.Fatalf("tshark sees %d datagrams, we see %d", len(doc.Packets), len(ours))
			}
			agree, unread := 0, 0
			for i, p := range doc.Packets {
				var theirs []field
				skip := false
				for _, proto := range p.Protos {
					if proto.Name == "cflow" {
						theirs = proto.flows(theirs)
						skip = skip || proto.unread()
					}
				}
				if skip {
					unread += len(ours[i])
					continue
				}
				if n := len(ours[i]) - len(theirs); n > 0 && countLies(list[i].Payload, len(ours[i])) {
					unread += n
				} else if n != 0 {
					t.Fatalf("datagram %d: tshark sees %d flows, we see %d", i+1, len(theirs), len(ours[i]))
				}
				for j := range theirs {
					compareTshark(t, i+1, &theirs[j], &ours[i][j])
				}
				agree += len(theirs)
			}
			if agree < 9*unread || agree == 0 {
				t.Errorf("%d flows were compared, %d tshark could not read", agree, unread)
			}
			t.Logf("%d flows compared, %d tshark could not read", agree, unread)
		})
	}
}

func compareTshark(t *testing.T, i int, f *field, r *flow.Record) {
	t.Helper()
	for _, c := range []struct {
		name string
		addr flow.Addr
	}{
		{"cflow.srcaddr", r.Src}, {"cflow.srcaddrv6", r.Src}, {"cflow.dstaddr", r.Dst}, {"cflow.dstaddrv6", r.Dst},
	} {
		if g := f.first(c.name); g != nil && g.Show != c.addr.String() {
			t.Errorf("datagram %d: %s is %s, we have %s", i, c.name, g.Show, c.addr)
		}
	}
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"cflow.srcport", uint64(r.SrcPort)}, {"cflow.dstport", uint64(r.DstPort)}, {"cflow.protocol", uint64(r.Proto)},
		{"cflow.octets", r.Bytes}, {"cflow.packets", r.Packets}, {"cflow.tos", uint64(r.ToS)}, {"cflow.tcpflags", uint64(r.TCPFlags)},
		{"cflow.tcpflags16", uint64(r.TCPFlags)}, {"cflow.inputint", uint64(r.InIf)}, {"cflow.outputint", uint64(r.OutIf)},
		{"cflow.octets64", r.Bytes}, {"cflow.packets64", r.Packets},
	} {
		if g := f.first(c.name); g != nil && g.number(t) != c.n {
			t.Errorf("datagram %d: %s is %d, we have %d", i, c.name, g.number(t), c.n)
		}
	}
}

// nfFlow is a flow as nfdump prints it.
type nfFlow struct {
	Src4    string `json:"src4_addr"`
	Dst4    string `json:"dst4_addr"`
	Src6    string `json:"src6_addr"`
	Dst6    string `json:"dst6_addr"`
	SrcPort uint16 `json:"src_port"`
	DstPort uint16 `json:"dst_port"`
	Proto   uint8  `json:"proto"`
	Bytes   uint64 `json:"in_bytes"`
	Packets uint64 `json:"in_packets"`
}

// text is what both must agree on. nfdump keeps an ICMP type and code in the place of
// the ports, under other names.
func (f *nfFlow) text() string {
	src, _ := netip.ParseAddr(f.Src4 + f.Src6)
	dst, _ := netip.ParseAddr(f.Dst4 + f.Dst6)
	return conversation(src, dst, f.SrcPort, f.DstPort, f.Proto, f.Bytes, f.Packets)
}

func conversation(src, dst netip.Addr, sport, dport uint16, proto uint8, octets, packets uint64) string {
	if proto == 1 || proto == 58 {
		sport, dport = 0, 0
	}
	return fmt.Sprintf("%s:%d > %s:%d proto %d bytes %d packets %d", src, sport, dst, dport, proto, octets, packets)
}

func TestNfdumpAgrees(t *testing.T) {
	nfcapd, nfdump := peer.Path(t, "nfcapd", "nfcapd"), peer.Path(t, "nfdump", "nfdump")
	for _, path := range captures(t, "nfdump") {
		t.Run(path, func(t *testing.T) {
			list := datagrams(t, path)
			dir := collect(t, nfcapd, list)
			out, err := exec.CommandContext(t.Context(), nfdump, "-R", dir, "-o", "json").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var flows []nfFlow
			if err := json.Unmarshal(out, &flows); err != nil {
				t.Fatalf("%v: %.300s", err, out)
			}
			var theirs, ours []string
			for i := range flows {
				theirs = append(theirs, flows[i].text())
			}
			for _, r := range slices.Concat(decode(list)...) {
				ours = append(ours, conversation(r.Src.IP(), r.Dst.IP(), r.SrcPort, r.DstPort, r.Proto, r.Bytes, r.Packets))
			}
			slices.Sort(theirs)
			slices.Sort(ours)
			if len(ours) == 0 || !slices.Equal(theirs, ours) {
				t.Errorf("nfdump has %d flows, we have %d", len(theirs), len(ours))
				for i := range min(len(theirs), len(ours)) {
					if theirs[i] != ours[i] {
						t.Fatalf("the first that differs:\nnfdump %s\nwe     %s", theirs[i], ours[i])
					}
				}
			}
			t.Logf("%d flows agree", len(ours))
		})
	}
}

// collect sends datagrams to a live nfcapd and returns the folder that it wrote.
func collect(t *testing.T, program string, list []pcap.Packet) string {
	t.Helper()
	dir := t.TempDir()
	nfcapd, err := peer.StartNfcapd(program, dir, peer.FreePort(t, "udp").Port)
	if err != nil {
		t.Fatal(err)
	}
	defer nfcapd.Kill()
	for _, p := range list {
		if err := nfcapd.Send(p.Payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := nfcapd.Stop(); err != nil {
		t.Fatal(err)
	}
	return dir
}

package demo

import (
	"compress/gzip"
	"encoding/binary"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestCapture asserts what assets/README.md says of the exporters, and that the
// packets' times rise over about half an hour.
func TestCapture(t *testing.T) {
	z, err := gzip.NewReader(Capture())
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(z)
	if err != nil {
		t.Fatal(err)
	}
	type sender struct {
		addr    string
		version uint16
	}
	got := make(map[sender]int)
	var first, last time.Time
	for packet := range gopacket.NewPacketSource(r, r.LinkType()).Packets() {
		at := packet.Metadata().Timestamp
		if at.Before(last) {
			t.Errorf("a packet of %s after one of %s", at, last)
		}
		if first.IsZero() {
			first = at
		}
		last = at
		ip, ok := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if !ok || packet.ErrorLayer() != nil {
			t.Fatalf("a packet that is not IPv4: %v", packet)
		}
		udp, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok || udp.DstPort != 2055 {
			t.Fatalf("a packet that is not to UDP port 2055: %v", packet)
		}
		got[sender{ip.SrcIP.String(), binary.BigEndian.Uint16(udp.Payload)}]++
	}
	for _, want := range []sender{{"192.0.2.1", 9}, {"192.0.2.2", 10}, {"192.0.2.3", 5}, {"192.0.2.4", 10}, {"192.0.2.5", 5}} {
		if got[want] == 0 {
			t.Errorf("no NetFlow version %d from %s", want.version, want.addr)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("datagrams that the README does not tell of: %v", got)
	}
	if d := last.Sub(first); d < 20*time.Minute || d > 40*time.Minute {
		t.Errorf("the capture spans %s, want about half an hour", d)
	}
}

// TestFeeds asserts that every feed has its file and every list is a feed.
func TestFeeds(t *testing.T) {
	unnamed := make(map[string]bool)
	files, err := fs.Glob(Assets(), "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		unnamed[f] = true
	}
	for _, feed := range Feeds() {
		if b, err := fs.ReadFile(Assets(), feed.Path); err != nil || len(b) == 0 {
			t.Errorf("feed %s: %s: %d bytes, %v", feed.Name, feed.Path, len(b), err)
		}
		delete(unnamed, feed.Path)
	}
	delete(unnamed, filepath.Base(Geo("").Database))
	for _, path := range Hosts("").Files {
		delete(unnamed, path)
	}
	if len(unnamed) > 0 {
		t.Errorf("lists that no feed names: %v", unnamed)
	}
}

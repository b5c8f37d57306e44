package agent_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestBadInput sends an agent all that may come to an open port. Each is counted
// under its name, memory stays bounded, and what real exporters send is read on.
func TestBadInput(t *testing.T) {
	peer.Long(t)
	dir := t.TempDir()
	r := start(t, writeList(t, dir), `exporters: {allow: [127.0.0.0/9], max: 1024}
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
`)
	good := r.router("127.0.0.1", 9)
	for _, bad := range []struct {
		name string
		send func(*testing.T, *running)
	}{
		{"random bytes", sendRandom},
		{"unknown versions", sendVersions},
		{"cut datagrams", sendCut},
		{"a flood of templates", sendTemplates},
		{"a foreign exporter", sendForeign},
		{"forged exporters", sendForged},
	} {
		t.Run(bad.name, func(t *testing.T) {
			r.t = t
			bad.send(t, r)
			before := r.metrics()[`flowhound_records_total{version="9"}`]
			good.datagrams = 0 // templates come again, as they do every minute
			good.export(call(always))
			r.awaitMetric(`flowhound_records_total{version="9"}`, before+1)
		})
	}
	r.t = t
	r.wantHealthy()
	r.stop()
	told := 0
	for _, line := range r.lines("alerts.log") {
		if k := keys(line); k["dst"] == always && k["exporter"] == "127.0.0.1" {
			told += count(k)
		}
	}
	if told != 6 {
		t.Errorf("the lines tell of %d flows of the good exporter, it sent 6", told)
	}
}

// awaitRise sends and waits for a series to rise by n.
func (r *running) awaitRise(series string, n int, send func()) {
	r.t.Helper()
	before := r.metrics()[series]
	send()
	r.awaitMetric(series, before+float64(n))
	if got := r.metrics()[series]; got != before+float64(n) {
		r.t.Errorf("%s rose by %v, want %d", series, got-before, n)
	}
}

func sendRandom(_ *testing.T, r *running) {
	x, rng := r.router("127.0.0.2", 9), rand.New(rand.NewPCG(1, 2))
	r.awaitRise(`flowhound_malformed_total{reason="version"}`, 100, func() {
		for range 100 {
			b := make([]byte, 2+rng.IntN(1400))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			b[0] |= 0x80 // no version that there is
			x.raw(b)
		}
	})
}

func sendVersions(_ *testing.T, r *running) {
	x := r.router("127.0.0.2", 9)
	r.awaitRise(`flowhound_malformed_total{reason="version"}`, 6, func() {
		for _, version := range []uint16{0, 1, 6, 7, 8, 11} {
			x.raw(binary.BigEndian.AppendUint16(nil, version))
		}
	})
	r.awaitRise(`flowhound_malformed_total{reason="short_header"}`, 4, func() {
		for _, b := range [][]byte{{}, {0}, {0, 9}, {0, 10, 0, 16}} {
			x.raw(b)
		}
	})
}

// sendCut sends a datagram of each version, cut after each of its bytes.
func sendCut(t *testing.T, r *running) {
	now := time.Now()
	for version, reason := range map[uint16]string{5: "count", 9: "truncated", 10: "truncated"} {
		x := dayExporter{version: version, boot: now.Add(-time.Hour)}
		x.add(call("192.0.2.1"), now)
		whole := x.flush(now)
		before := r.metrics()
		out := r.router("127.0.0.2", version)
		for n := range whole {
			out.raw(whole[:n])
		}
		r.await("all cut datagrams", func() bool {
			return total(r.metrics(), "flowhound_datagrams_total{")+total(r.metrics(), `flowhound_malformed_total{reason="short_header"}`) >=
				total(before, "flowhound_datagrams_total{")+total(before, `flowhound_malformed_total{reason="short_header"}`)+float64(len(whole))
		})
		after := r.metrics()
		series := `flowhound_malformed_total{reason="` + reason + `"}`
		if after[series] <= before[series] {
			t.Errorf("version %d: %s did not rise", version, series)
		}
	}
}

// sendTemplates sends more templates than an exporter may make the agent keep.
func sendTemplates(t *testing.T, r *running) {
	const sent = 5_000
	x := r.router("127.0.0.3", 9)
	for id := range sent {
		x.raw(manyFields(uint16(256+id), uint32(id)))
		if id%500 == 0 {
			r.awaitMetric(`flowhound_exporter_datagrams_total{exporter="127.0.0.3"}`, float64(id+1))
		}
	}
	r.awaitMetric(`flowhound_exporter_datagrams_total{exporter="127.0.0.3"}`, sent)
	if kept := r.metrics()[`flowhound_templates{exporter="127.0.0.3"}`]; kept < 100 || kept > 2000 {
		t.Errorf("%v templates of %d are kept, want those that 512 KiB hold", kept, sent)
	}
}

// manyFields is a v9 datagram with a template of 80 fields.
func manyFields(id uint16, sequence uint32) []byte {
	const fields = 80
	be := binary.BigEndian
	b := be.AppendUint16(nil, 9)
	b = be.AppendUint16(b, 1)
	b = append(b, make([]byte, 8)...) // uptime, time
	b = be.AppendUint32(b, sequence)
	b = be.AppendUint32(b, 1) // source id
	b = be.AppendUint16(b, 0) // templates
	b = be.AppendUint16(b, 4+4+4*fields)
	b = be.AppendUint16(b, id)
	b = be.AppendUint16(b, fields)
	for n := range uint16(fields) {
		b = be.AppendUint16(b, 1+n)
		b = be.AppendUint16(b, 4)
	}
	return b
}

func sendForeign(t *testing.T, r *running) {
	x := r.router("127.200.0.1", 5)
	r.awaitRise(`flowhound_datagrams_refused_total`, 3, func() {
		for range 3 {
			x.export(call(always))
		}
	})
	if _, known := r.metrics()[`flowhound_exporter_datagrams_total{exporter="127.200.0.1"}`]; known {
		t.Error("an exporter that is not allowed is kept track of")
	}
}

// sendForged sends a template of each of 20,000 exporters.
func sendForged(t *testing.T, r *running) {
	const exporters = 20_000
	datagram := manyFields(256, 0)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	counted := func() float64 {
		m := r.metrics()
		return m[`flowhound_datagrams_total{version="9"}`] + m[`flowhound_udp_drops_total`]
	}
	start := counted()
	for n := range uint32(exporters) {
		from := netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)})
		conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(r.addr))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	r.await("every forged datagram to be counted", func() bool { return counted() >= start+exporters })
	m := r.metrics()
	if n := m[`flowhound_exporters_forgotten_total`]; n == 0 {
		t.Error("no exporter was forgotten")
	}
	labels := 0
	for series := range m {
		if strings.HasPrefix(series, "flowhound_exporter_datagrams_total{") {
			labels++
		}
	}
	if _, other := m[`flowhound_exporter_datagrams_total{exporter="other"}`]; !other || labels > 1025 {
		t.Errorf("%d exporters have series of their own (other: %v), want 1024 and other", labels, other)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
	t.Logf("the heap grew by %d MiB", grown)
	if grown > 100 { // the store's 16,384, a file of them being written, what a worker keeps of 1,024
		t.Errorf("20,000 forged exporters took %d MiB", grown)
	}
	if info, err := os.Stat(r.path("data/templates")); err != nil || info.Size() > 64<<20 {
		t.Errorf("the file of templates: %v, %v", info, err)
	}
}

// total adds up all series that begin like this.
func total(metrics map[string]float64, prefix string) (sum float64) {
	for series, v := range metrics {
		if strings.HasPrefix(series, prefix) {
			sum += v
		}
	}
	return sum
}

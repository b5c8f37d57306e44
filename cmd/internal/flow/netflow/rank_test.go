package netflow

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

const second = int64(time.Second)

// forgeries are what a forger sends from each address.
var forgeries = map[string][]byte{
	"template":          v9Datagram(0, set(0, templateRecord(256, srcDst...))),
	"template and data": v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)),
	"v5":                v5Datagram(1, 0, v5Record()),
	"data alone":        v9Datagram(0, set(256, pair)),
}

// TestForgedExportersHideNoRealOne sends a template once, then 20,000 datagrams of as
// many forged exporters, then the real one's data: to the Decoder, and, after a
// restart, to the next.
func TestForgedExportersHideNoRealOne(t *testing.T) {
	peer.Long(t)
	for name, forged := range forgeries {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "templates")
			store := openStore(t, path)
			d := NewDecoder(Options{Templates: store})
			now := time.Now().UnixNano()
			var out flow.Batch
			_ = d.Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)), testExporter, now, &out)
			for i := range 20_000 {
				if i%100 == 0 {
					now += second / 100
				}
				_ = d.Decode(forged, spoofed(uint32(i)), now, &out)
				if i == 10_000 {
					save(t, store)
				}
			}
			out.Reset()
			_ = d.Decode(v9Datagram(1, set(256, pair)), testExporter, now, &out)
			if len(out.Records) != 1 {
				t.Error("the real exporter's template is gone")
			}
			checkAccounts(t, d)
			if n := d.exporters.len(); n > DefaultMaxExporters+maxNewcomers {
				t.Errorf("%d exporters are kept", n)
			}
			save(t, store)
			out.Reset()
			_ = NewDecoder(Options{Templates: openStore(t, path)}).Decode(v9Datagram(2, set(256, pair)), testExporter, now, &out)
			if len(out.Records) != 1 {
				t.Error("the real exporter's template is gone after a restart")
			}
			if s := store.Stats(); s.Bytes > 4<<20 {
				t.Errorf("the file has %d bytes", s.Bytes)
			}
		})
	}
}

// TestRealExporterAmongForgedOnes lets a real exporter start when a flood is under way
// already. It sends its template every ten seconds, and data ten times a second.
func TestRealExporterAmongForgedOnes(t *testing.T) {
	peer.Long(t)
	for name, forged := range forgeries {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(Options{})
			now := testReceived
			var out flow.Batch
			next, read, sent := uint32(0), 0, 0
			for tenth := range 10 * 150 {
				now += second / 10
				for range 100 { // 1,000 a second
					_ = d.Decode(forged, spoofed(next), now, &out)
					next++
				}
				if tenth < 10*30 {
					continue
				}
				out.Reset()
				if tenth%100 == 0 {
					_ = d.Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...))), testExporter, now, &out)
				}
				_ = d.Decode(v9Datagram(1, set(256, pair)), testExporter, now, &out)
				read += len(out.Records)
				sent++
			}
			if read < sent*9/10 {
				t.Errorf("%d records of %d could be read", read, sent)
			}
		})
	}
}

func TestProvenExportersStay(t *testing.T) {
	const most = 20
	d := NewDecoder(Options{MaxExporters: most})
	now := testReceived
	var out flow.Batch
	real := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1) }
	send := func(from netip.AddrPort) { _ = d.Decode(v5Datagram(1, 0, v5Record()), from, now, &out) }
	send(real(0))
	if !d.Newcomer() {
		t.Error("one datagram makes an exporter more than a newcomer")
	}
	for range 70 {
		for i := range most {
			send(real(i))
		}
		now += second
	}
	if d.Newcomer() {
		t.Error("an exporter is a newcomer after 70 seconds")
	}
	// Forgers that are patient, too, do not push them out: all places are taken.
	for range 200 {
		for i := range uint32(100) {
			send(spoofed(i))
		}
		now += second
	}
	proven := map[string]bool{}
	for _, e := range d.Stats().Exporters {
		if !e.Newcomer {
			proven[e.Exporter.String()] = true
		}
	}
	for i := range most {
		if !proven[real(i).Addr().String()] {
			t.Errorf("%v is not among those that stay: %v", real(i), proven)
		}
	}
	// When one of them is gone for long, its place is free.
	now += int64(2 * time.Hour)
	for range 70 {
		for i := 1; i < most; i++ {
			send(real(i))
		}
		send(spoofed(0))
		now += second
	}
	if p, ok := d.exporters.get(exporterKey{addr: flow.AddrFrom(spoofed(0).Addr())}); !ok || p.rank < steady {
		t.Error("nobody took the place of the one that is gone")
	}
}

func TestExportersOfTheConfigurationNeedNotProveThemselves(t *testing.T) {
	named := testExporter.Addr()
	d := NewDecoder(Options{MaxExporters: 1, Known: func(a netip.Addr) bool { return a == named }})
	var out flow.Batch
	_ = d.Decode(forgeries["template"], testExporter, testReceived, &out)
	for i := range uint32(2000) {
		_ = d.Decode(forgeries["template and data"], spoofed(i), testReceived+int64(i)*second, &out)
	}
	wantPairs(t, feed(t, d, v9Datagram(1, set(256, pair))), there)

	// One that is named later rises at once; with ports, an address is not enough.
	named = spoofed(1999).Addr()
	d.Reconfigure()
	if p, _ := d.exporters.get(exporterKey{addr: flow.AddrFrom(named)}); p == nil || p.rank != proven {
		t.Errorf("named by a reload: %+v", p)
	}
	d = NewDecoder(Options{KeyPort: true, Known: func(netip.Addr) bool { return true }})
	_ = d.Decode(forgeries["template"], testExporter, testReceived, &out)
	if s := d.Stats(); !s.Exporters[0].Newcomer {
		t.Error("a forged port made an exporter proven")
	}
}

func TestClockSetBack(t *testing.T) {
	d := NewDecoder(Options{})
	var out flow.Batch
	now := testReceived
	for range 100 {
		_ = d.Decode(v5Datagram(1, 0, v5Record()), testExporter, now, &out)
		now += second
	}
	now -= int64(10 * 365 * 24 * time.Hour)
	for i := range 20_000 {
		_ = d.Decode(forgeries["template and data"], spoofed(uint32(i)), now, &out)
	}
	if p, ok := d.exporters.get(exporterKey{addr: flow.AddrFrom(testExporter.Addr())}); !ok || p.rank != proven {
		t.Error("the real exporter is gone")
	}
}

// TestRanked does at random what Decoder and Store do, and holds the rings against a
// plain list.
func TestRanked(t *testing.T) {
	peer.Long(t)
	r := rand.New(rand.NewPCG(1, 2))
	table := ranked[int, string]{idle: idle{10, 20, 30, 40}}
	want := map[int]*seat[int, string]{}
	now, next := int64(0), 0
	for range 20_000 {
		now += int64(r.IntN(3))
		switch r.IntN(5) {
		case 0, 1:
			want[next] = table.put(next, fmt.Sprint(next), standing(r.IntN(numRanks)), now)
			next++
		case 2:
			if p := table.least(now); p != nil {
				for _, other := range want {
					if other.rank < p.rank {
						t.Fatalf("%+v goes before %+v", p, other)
					}
				}
				table.remove(p)
				delete(want, p.key)
			} else if len(want) > 0 {
				t.Fatal("nothing to drop")
			}
		default:
			if p, ok := want[r.IntN(next+1)]; ok {
				p.at = now
				if p.rank < proven {
					table.raise(p, p.rank+1)
				}
			}
		}
		rows := [numRanks]int{}
		n := 0
		for p := range table.all {
			if want[p.key] != p || p.value != fmt.Sprint(p.key) {
				t.Fatalf("%+v is not in the table", p)
			}
			rows[p.rank]++
			n++
		}
		for rank := range rows {
			if rows[rank] != table.rows[rank].n {
				t.Fatalf("%d of rank %d, the table says %d", rows[rank], rank, table.rows[rank].n)
			}
		}
		if n != len(want) || table.len() != n {
			t.Fatalf("%d entries, want %d", n, len(want))
		}
	}
}

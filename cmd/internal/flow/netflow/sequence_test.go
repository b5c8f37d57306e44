package netflow

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// feedSlowly feeds one datagram every two seconds, so that a gap is decided soon.
func feedSlowly(d *Decoder, i uint32, datagrams ...[]byte) {
	var out flow.Batch
	for _, b := range datagrams {
		_ = d.Decode(b, testExporter, testReceived+int64(i)*2e9, &out)
	}
}

// TestSequenceCountsWhatTheVersionCounts loses one datagram of each version:
// three flows in v5, a datagram in v9, three data records in IPFIX.
func TestSequenceCountsWhatTheVersionCounts(t *testing.T) {
	record := v5Record()
	template9, template10 := set(0, templateRecord(256, srcDst...)), set(2, templateRecord(256, srcDst...))
	three := set(256, pair, pair, pair)
	for _, c := range []struct {
		name     string
		version  version
		datagram func(i uint32) []byte
		lost     uint64
	}{
		{"v5", v5, func(i uint32) []byte { return v5Datagram(3, 100+3*i, record, record, record) }, 3},
		{"v9", v9, func(i uint32) []byte { return v9Datagram(100+i, template9, three) }, 1},
		{"ipfix", ipfix, func(i uint32) []byte { return ipfixMessage(100+3*i, template10, three) }, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			for i := range uint32(30) {
				if i != 7 {
					feedSlowly(d, i, c.datagram(i))
				}
			}
			if lost := d.Stats().Exporters[0].Lost[c.version]; lost != c.lost {
				t.Errorf("%d lost, want %d", lost, c.lost)
			}
		})
	}
}

func TestSequenceTolerates(t *testing.T) {
	run := func(from, n uint32) []uint32 {
		s := make([]uint32, n)
		for i := range s {
			s[i] = from + uint32(i)
		}
		return s
	}
	join := func(parts ...[]uint32) (all []uint32) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for _, c := range []struct {
		name    string
		numbers []uint32
		lost    uint64
	}{
		{"in order", run(1000, 50), 0},
		{"over the 32-bit end", run(^uint32(0)-10, 50), 0},
		{"two swapped", join(run(0, 10), []uint32{11, 10}, run(12, 30)), 0},
		{"one very late", join(run(0, 10), run(11, 5), []uint32{10}, run(16, 30)), 0},
		{"a duplicate", join(run(0, 10), []uint32{9}, run(10, 30)), 0},
		{"a restart from 0", join(run(100_000, 20), run(0, 30)), 0},
		{"a restart from 0, early", join(run(500, 20), run(0, 30)), 0},
		{"a jump far ahead", join(run(0, 20), run(1<<30, 30)), 0},
		{"two gaps", join(run(0, 10), run(15, 3), run(20, 30)), 7},
		{"a gap after a restart", join(run(500, 20), run(0, 20), run(23, 20)), 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			for i, n := range c.numbers {
				feedSlowly(d, uint32(i), v9Datagram(n))
			}
			if lost := d.Stats().Exporters[0].Lost[v9]; lost != c.lost {
				t.Errorf("%d lost, want %d", lost, c.lost)
			}
		})
	}
}

func TestSequenceOfDomainsIsApart(t *testing.T) {
	d := NewDecoder(Options{})
	for i := range uint32(30) {
		other := v9Datagram(5000 + i)
		be.PutUint32(other[16:], testDomain+1)
		feed(t, d, v9Datagram(i), other)
	}
	if lost := d.Stats().Exporters[0].Lost; lost != (PerVersion{}) {
		t.Errorf("lost %v", lost)
	}
}

func TestRecordsWithoutTemplateAreNoGap(t *testing.T) {
	d := NewDecoder(Options{})
	var out flow.Batch
	for i := range uint32(30) {
		// Three records a message, one of them unknown.
		_ = d.Decode(ipfixMessage(3*i, set(2, templateRecord(256, srcDst...)), set(256, pair, pair), set(300, pair)), testExporter, testReceived, &out)
	}
	if lost := d.Stats().Exporters[0].Lost; lost != (PerVersion{}) {
		t.Errorf("lost %v", lost)
	}
}

func TestOptionRecordsCountInIPFIXSequence(t *testing.T) {
	d := NewDecoder(Options{})
	for i := range uint32(30) {
		feed(t, d, ipfixMessage(2*i, options(ipfix, nil, []fieldValue{f(41, u32(5))}), set(2, templateRecord(256, srcDst...)), set(256, pair)))
	}
	if lost := d.Stats().Exporters[0].Lost; lost != (PerVersion{}) {
		t.Errorf("lost %v", lost)
	}
}

// TestExportersThatCountDifferently: softflowd's IPFIX numbers include the message
// that carries them and leave option records out; some count v9 by records. All of
// them lose one message of three flows.
func TestExportersThatCountDifferently(t *testing.T) {
	template9, template10 := set(0, templateRecord(256, srcDst...)), set(2, templateRecord(256, srcDst...))
	three := set(256, pair, pair, pair)
	option := options(ipfix, nil, []fieldValue{f(41, u32(5))})
	for _, c := range []struct {
		name     string
		version  version
		datagram func(i uint32) []byte
		lost     uint64
	}{
		{"flows with this message", ipfix, func(i uint32) []byte { return ipfixMessage(3*(i+1), option, template10, three) }, 3},
		{"flows before this message", ipfix, func(i uint32) []byte { return ipfixMessage(3*i, option, template10, three) }, 3},
		{"all with this message", ipfix, func(i uint32) []byte { return ipfixMessage(4*(i+1), option, template10, three) }, 4},
		{"v9 by records", v9, func(i uint32) []byte { return v9Datagram(3*i, template9, three) }, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			for i := range uint32(200) {
				if i == 20 {
					if lost := d.Stats().Exporters[0].Lost[c.version]; lost != 0 {
						t.Fatalf("%d lost before any was", lost)
					}
					continue
				}
				feedSlowly(d, i, c.datagram(i))
			}
			if lost := d.Stats().Exporters[0].Lost[c.version]; lost != c.lost {
				t.Errorf("%d lost, want %d", lost, c.lost)
			}
		})
	}
}

// TestSeveralProcessesBehindOneAddress: a softflowd or pmacct for each interface of one
// firewall, all with the same source id. Nothing is lost but what is left out.
func TestSeveralProcessesBehindOneAddress(t *testing.T) {
	type process struct {
		number uint32
		weight int // how often it sends
	}
	for _, c := range []struct {
		name      string
		processes []process
		lose      int // one message in so many; 0: none
	}{
		{"two", []process{{1000, 1}, {9000, 1}}, 0},
		{"two with near numbers", []process{{1000, 1}, {1003, 1}}, 0},
		{"two with the same numbers", []process{{1, 1}, {1, 1}}, 0},
		{"a busy and a quiet one", []process{{100, 1}, {100_000, 50}}, 0},
		{"a busy one with low numbers", []process{{100, 50}, {100_000, 1}}, 0},
		{"eight", []process{{10, 1}, {20, 2}, {1000, 3}, {1 << 20, 4}, {1 << 30, 5}, {1 << 31, 6}, {^uint32(0) - 50, 7}, {500_000, 8}}, 0},
		{"more than are followed", []process{{10, 1}, {10_000, 1}, {20_000, 1}, {30_000, 1}, {40_000, 1}, {50_000, 1}, {60_000, 1}, {70_000, 1}, {80_000, 1}, {90_000, 1}, {100_000, 1}, {110_000, 1}}, 0},
		{"one that loses the half", []process{{1000, 1}}, 2},
		{"one that loses", []process{{1000, 1}}, 50},
		{"two that lose", []process{{1000, 1}, {900_000, 3}}, 50},
		{"four that lose", []process{{10, 2}, {50_000, 1}, {1 << 30, 4}, {1 << 31, 3}}, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			processes := slices.Clone(c.processes)
			total := 0
			for _, p := range processes {
				total += p.weight
			}
			d := NewDecoder(Options{})
			var out flow.Batch
			missing, now := 0, testReceived
			for range 5000 {
				pick := r.IntN(total)
				p := &processes[0]
				for i := 0; pick >= 0; i++ {
					p = &processes[i]
					pick -= p.weight
				}
				now += int64(r.IntN(20)) * 1e6
				if c.lose > 0 && r.IntN(c.lose) == 0 {
					missing++
				} else {
					_ = d.Decode(v9Datagram(p.number), testExporter, now, &out)
				}
				p.number++
			}
			lost := int(d.Stats().Exporters[0].Lost[v9])
			if lost > missing || lost < missing*9/10 { // what is lost at the very end cannot be known
				t.Errorf("%d lost, want %d", lost, missing)
			}
		})
	}
}

func TestTemplatesThatCountInTheSequence(t *testing.T) {
	template, three := set(2, templateRecord(256, srcDst...)), set(256, pair, pair, pair)
	d := NewDecoder(Options{})
	number := uint32(0)
	for i := range uint32(100) {
		sets := three
		if i%10 == 0 {
			sets = cat(template, three)
		}
		if i != 55 {
			feedSlowly(d, i, ipfixMessage(number, sets))
		}
		number += 3
		if i%10 == 0 {
			number++
		}
	}
	if lost := d.Stats().Exporters[0].Lost[ipfix]; lost != 3 {
		t.Errorf("%d lost, want 3", lost)
	}
}

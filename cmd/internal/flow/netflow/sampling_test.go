package netflow

import (
	"math"
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// options builds an options template and one record of it.
func options(v version, scope, list []fieldValue) []byte {
	var scopes, opts []spec
	var data []byte
	for _, fv := range scope {
		scopes, data = append(scopes, fv.spec), append(data, fv.value...)
	}
	for _, fv := range list {
		opts, data = append(opts, fv.spec), append(data, fv.value...)
	}
	if v == v9 {
		return cat(set(1, v9OptionsRecord(300, scopes, opts)), set(300, data))
	}
	return cat(set(3, ipfixOptionsRecord(300, scopes, opts)), set(300, data))
}

func sampled(v version, optionSets []byte, list ...fieldValue) [][]byte {
	list = append([]fieldValue{f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))}, list...)
	if v == v9 {
		return [][]byte{v9Datagram(0, optionSets), message1(v, list...)}
	}
	return [][]byte{ipfixMessage(0, optionSets), message1(v, list...)}
}

func TestSampling(t *testing.T) {
	system := []fieldValue{f(1, u32(1))} // v9 scope 1 is the system, not IN_BYTES
	selector := func(id uint64) []fieldValue { return []fieldValue{f(302, u64(id))} }
	probability := []fieldValue{f(304, u16(1))}
	sampler := func(id uint8, rate uint32) []byte {
		return options(v9, system, []fieldValue{f(48, u8(id)), f(49, u8(2)), f(50, u32(rate))})
	}
	onInterface := func(id, rate uint32) []byte {
		return options(v9, []fieldValue{f(2, u32(id))}, []fieldValue{f(34, u32(rate)), f(35, u8(1))})
	}
	onLineCard := func(id, rate uint32) []byte {
		return options(v9, []fieldValue{f(3, u32(id))}, []fieldValue{f(34, u32(rate)), f(35, u8(1))})
	}
	float := func(v float64) []byte { return u64(math.Float64bits(v)) }
	v5Sampled := v5Datagram(1, 0, v5Record())
	be.PutUint16(v5Sampled[22:], 1<<14|512)
	v5NoMode := v5Datagram(1, 0, v5Record())
	be.PutUint16(v5NoMode[22:], 64)

	for _, c := range []struct {
		name      string
		datagrams [][]byte
		want      uint32
	}{
		{"v5 header", [][]byte{v5Sampled}, 512},
		{"v5 header without a mode", [][]byte{v5NoMode}, 64},
		{"unknown is 1", [][]byte{v5Datagram(1, 0, v5Record())}, 1},
		{"v9 34 and 35 in options", sampled(v9, options(v9, system, []fieldValue{f(34, u32(100)), f(35, u8(1))})), 100},
		{"v9 34 in the record", sampled(v9, nil, f(34, u32(200))), 200},
		{"record above options", sampled(v9, options(v9, system, []fieldValue{f(34, u32(100))}), f(34, u32(200))), 200},
		{"sampler of the record", sampled(v9, cat(sampler(1, 10), sampler(2, 20)), f(48, u8(2))), 20},
		{"sampler changed", sampled(v9, cat(sampler(1, 10), sampler(1, 30)), f(48, u8(1))), 30},
		{"unknown sampler", sampled(v9, sampler(1, 10), f(48, u8(9))), 1},
		{"unknown sampler, known default", sampled(v9, options(v9, system, []fieldValue{f(34, u32(100))}), f(48, u8(9))), 100},
		{"no sampler named: the only one", sampled(v9, sampler(1, 10)), 10},
		{"no sampler named: the last of several", sampled(v9, cat(sampler(1, 10), sampler(2, 20))), 20},
		{"no sampler named: the domain's rate before a sampler's", sampled(v9, cat(options(v9, system, []fieldValue{f(34, u32(100))}), sampler(1, 10))), 100},
		{"sampler 0 is the only one", sampled(v9, sampler(1, 10), f(48, u8(0))), 10},
		{"the only one is sampler 0", sampled(v9, sampler(0, 10), f(48, u8(3))), 10},
		{"sampler 0 among others", sampled(v9, cat(sampler(0, 10), sampler(1, 20)), f(48, u8(0))), 10},
		{"305 and 306", sampled(ipfix, options(ipfix, probability, []fieldValue{f(305, u32(1)), f(306, u32(99))})), 100},
		{"305 of 10 and 306", sampled(ipfix, options(ipfix, probability, []fieldValue{f(305, u32(10)), f(306, u32(990))})), 100},
		{"305 alone", sampled(ipfix, options(ipfix, probability, []fieldValue{f(305, u32(1))})), 1},
		{"309 and 310", sampled(ipfix, options(ipfix, probability, []fieldValue{f(309, u32(2)), f(310, u32(256))})), 128},
		{"selector of the record", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(305, u32(1)), f(306, u32(9))}), f(302, u64(7))), 10},
		{"48 in options, 302 in the record", sampled(ipfix, options(ipfix, []fieldValue{f(48, u8(7))}, []fieldValue{f(50, u16(1000))}), f(302, u64(7))), 1000},
		{"309 and 310 of a selector", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(304, u16(3)), f(309, u32(1)), f(310, u32(256))}), f(302, u64(7))), 256},
		{"flows by count", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(390, u16(1)), f(396, u32(1)), f(397, u32(49))}), f(302, u64(7))), 50},
		{"flows by time", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(390, u16(2)), f(398, u32(100)), f(399, u32(900))}), f(302, u64(7))), 10},
		{"packets by time", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(307, u32(1000)), f(308, u32(1000))}), f(302, u64(7))), 2},
		{"probability", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(311, float(0.001))}), f(302, u64(7))), 1000},
		{"probability of 4 bytes", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(311, u32(math.Float32bits(0.25)))})), 4},
		{"probability of nothing", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(311, float(math.NaN()))})), 1},
		{"probability above 1", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(311, float(7))})), 1},
		{"hash selector", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(304, u16(6)), f(329, u64(0)), f(330, u64(0xffff)), f(331, u64(0x100)), f(332, u64(0x1ff))}), f(302, u64(7))), 256},
		{"what a selector achieved", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(318, u64(10_000)), f(319, u64(98))}), f(302, u64(7))), 102},
		{"parameters before what was achieved", sampled(ipfix, cat(options(ipfix, selector(7), []fieldValue{f(305, u32(1)), f(306, u32(99))}),
			options(ipfix, selector(7), []fieldValue{f(318, u64(10_000)), f(319, u64(98))})), f(302, u64(7))), 100},
		{"selection sequence", sampled(ipfix, cat(options(ipfix, selector(7), []fieldValue{f(305, u32(1)), f(306, u32(9))}),
			options(ipfix, []fieldValue{f(301, u64(3))}, []fieldValue{f(302, u64(7))}), options(ipfix, selector(8), []fieldValue{f(305, u32(1)), f(306, u32(1))})), f(301, u64(3))), 10},
		{"selection sequence told before its selector", sampled(ipfix, cat(options(ipfix, []fieldValue{f(301, u64(3))}, []fieldValue{f(302, u64(7))}),
			options(ipfix, selector(7), []fieldValue{f(305, u32(1)), f(306, u32(9))})), f(301, u64(3))), 10},
		{"v9 scope interface", sampled(v9, cat(onInterface(1, 100), onInterface(5, 2000)), f(10, u32(1))), 100},
		{"v9 scope interface, the output's", sampled(v9, cat(onInterface(1, 100), onInterface(5, 2000)), f(10, u32(9)), f(14, u32(5))), 2000},
		{"another interface is not sampled", sampled(v9, onInterface(1, 100), f(10, u32(2))), 1},
		{"the domain's rate for another interface", sampled(v9, cat(onInterface(1, 100), options(v9, system, []fieldValue{f(34, u32(7))})), f(10, u32(2))), 7},
		{"no interface in the flow", sampled(v9, onInterface(1, 100)), 100},
		{"scope ingress interface", sampled(ipfix, options(ipfix, []fieldValue{f(10, u32(4))}, []fieldValue{f(34, u32(50))}), f(10, u32(4))), 50},
		{"scope egress interface", sampled(ipfix, options(ipfix, []fieldValue{f(14, u32(4))}, []fieldValue{f(34, u32(50))}), f(14, u32(4))), 50},
		{"interface and its sampler", sampled(v9, cat(sampler(3, 30), sampler(4, 40), options(v9, []fieldValue{f(2, u32(6))}, []fieldValue{f(48, u8(3))})), f(10, u32(6))), 30},
		{"v9 scope template", sampled(v9, cat(options(v9, system, []fieldValue{f(34, u32(7))}), options(v9, []fieldValue{f(5, u16(256))}, []fieldValue{f(34, u32(60))}))), 60},
		{"another template", sampled(v9, cat(options(v9, system, []fieldValue{f(34, u32(7))}), options(v9, []fieldValue{f(5, u16(257))}, []fieldValue{f(34, u32(60))}))), 7},
		{"scope template of IPFIX", sampled(ipfix, options(ipfix, []fieldValue{f(145, u16(256))}, []fieldValue{f(305, u32(1)), f(306, u32(59))})), 60},
		{"template and its selector", sampled(ipfix, cat(options(ipfix, selector(7), []fieldValue{f(305, u32(1)), f(306, u32(9))}), options(ipfix, selector(8), []fieldValue{f(305, u32(1)), f(306, u32(1))}),
			options(ipfix, []fieldValue{f(145, u16(256))}, []fieldValue{f(302, u64(7))}))), 10},
		{"v9 scope line card, which is the source id", sampled(v9, cat(onLineCard(testDomain, 70), onLineCard(3, 30))), 70},
		{"line card of the record", sampled(ipfix, cat(options(ipfix, []fieldValue{f(141, u32(0))}, []fieldValue{f(34, u32(70))}), options(ipfix, []fieldValue{f(141, u32(1))}, []fieldValue{f(34, u32(80))})), f(141, u32(0))), 70},
		{"scope domain", sampled(ipfix, cat(options(ipfix, []fieldValue{f(149, u32(testDomain))}, []fieldValue{f(34, u32(70))}), options(ipfix, []fieldValue{f(149, u32(99))}, []fieldValue{f(34, u32(80))}))), 70},
		{"interval of 0 says nothing", sampled(v9, options(v9, system, []fieldValue{f(34, u32(0))})), 1},
		{"absurd interval", sampled(ipfix, options(ipfix, probability, []fieldValue{f(34, u64(1<<40))})), 1<<32 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, c.datagrams...)
			if len(got) != 1 || got[0].Sampling != c.want {
				t.Fatalf("got %+v, want sampling %d", got, c.want)
			}
			if got[0].Bytes != 0 && got[0].Bytes != 400 {
				t.Error("counters must stay as exported")
			}
		})
	}
}

// inDomain puts a v9 datagram or an IPFIX message into another domain.
func inDomain(id uint32, b []byte) []byte {
	at := 12
	if be.Uint16(b) == 9 {
		at = 16
	}
	be.PutUint32(b[at:], id)
	return b
}

// Catalyst switches send their table of samplers under the source id of another
// process than their flows; line cards sample each for itself.
func TestOptionsOfADomainWithoutFlowsAreTheExporters(t *testing.T) {
	flows := func(domain uint32, list ...fieldValue) []byte {
		return inDomain(domain, message1(v9, append([]fieldValue{f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))}, list...)...))
	}
	told := func(domain, rate uint32) []byte {
		return inDomain(domain, v9Datagram(0, options(v9, []fieldValue{f(1, u32(0))}, []fieldValue{f(48, u8(1)), f(50, u32(rate))})))
	}
	for _, c := range []struct {
		name      string
		datagrams [][]byte
		want      uint32 // of the last flow
	}{
		{"named", [][]byte{told(6, 100), flows(256, f(48, u8(1)))}, 100},
		{"not named", [][]byte{told(0, 100), flows(256)}, 100},
		{"the own domain first", [][]byte{told(0, 100), told(256, 10), flows(256)}, 10},
		{"a domain with flows speaks for itself", [][]byte{told(1, 100), flows(1), flows(2)}, 1},
		{"a domain that turns out to have flows", [][]byte{told(1, 100), flows(2), flows(1), flows(2)}, 1},
		{"a sampler that only a domain with flows knows", [][]byte{told(1, 100), flows(1), flows(2, f(48, u8(1)))}, 100},
		{"the latest of two", [][]byte{told(0, 100), told(5, 50), flows(256)}, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, c.datagrams...)
			if n := len(got); n == 0 || got[n-1].Sampling != c.want {
				t.Errorf("got %+v, want sampling %d", got, c.want)
			}
		})
	}
	t.Run("when the exporter started", func(t *testing.T) {
		booted := uint64(testReceived/1e6 - 3_600_000)
		got := decode(t, inDomain(0, ipfixMessage(0, options(ipfix, []fieldValue{f(143, u32(1))}, []fieldValue{f(160, u64(booted))}))),
			message1(ipfix, f(8, ip("10.0.0.1")), f(22, u32(3_590_000)), f(21, u32(3_599_000))))
		wantTimes(t, got[0], testReceived-10e9, testReceived-1e9)
	})
}

func TestFlowsWithoutSamplerOfAnExporterWithSeveralAreCounted(t *testing.T) {
	sampler := func(id uint8, rate uint32) []byte {
		return options(v9, []fieldValue{f(1, u32(0))}, []fieldValue{f(48, u8(id)), f(50, u32(rate))})
	}
	guessed := func(sets []byte, list ...fieldValue) (uint64, uint32) {
		d := NewDecoder(Options{})
		feed(t, d, sampled(v9, sets, list...)...)
		s := d.Stats().Exporters[0]
		return s.SamplingGuessed, s.GuessedRate
	}
	if n, rate := guessed(cat(sampler(1, 10), sampler(2, 20))); n != 1 || rate != 20 {
		t.Errorf("%d flows were counted, rate %d", n, rate)
	}
	if n, _ := guessed(cat(sampler(1, 10), sampler(2, 10))); n != 0 {
		t.Error("counted although all samplers agree")
	}
	if n, _ := guessed(cat(sampler(1, 10), sampler(2, 20)), f(48, u8(1))); n != 0 {
		t.Error("counted although the flow names its sampler")
	}
}

func TestConfiguredSamplingOverridesEverySource(t *testing.T) {
	rate := uint32(7)
	d := NewDecoder(Options{Sampling: func(a netip.Addr) (uint32, bool) { return rate, a == testExporter.Addr() && rate != 0 }})
	v5Sampled := v5Datagram(1, 0, v5Record())
	be.PutUint16(v5Sampled[22:], 512)
	datagrams := append(sampled(v9, options(v9, nil, []fieldValue{f(48, u8(1)), f(50, u32(10))}), f(48, u8(1))),
		message1(v9, f(8, ip("10.0.0.1")), f(34, u32(3))), v5Sampled)
	for i, r := range feed(t, d, datagrams...) {
		if r.Sampling != 7 || r.Has&flow.HasSampling == 0 {
			t.Errorf("record %d: sampling %d, want 7", i, r.Sampling)
		}
	}

	rate = 0
	if got := feed(t, d, v5Sampled); got[0].Sampling != 7 {
		t.Error("the configuration was asked again without Reconfigure")
	}
	d.Reconfigure()
	if got := feed(t, d, v5Sampled); got[0].Sampling != 512 {
		t.Errorf("sampling %d after the override was removed, want the exporter's 512", got[0].Sampling)
	}
}

func TestSamplersAreBounded(t *testing.T) {
	d := NewDecoder(Options{})
	for id := uint64(1); id < 4*maxSamplers; id++ {
		feed(t, d, ipfixMessage(0, options(ipfix, []fieldValue{f(302, u64(id))}, []fieldValue{f(34, u32(uint32(id+2)))})))
	}
	get := func(id uint64) uint32 {
		return feed(t, d, message1(ipfix, f(8, ip("10.0.0.1")), f(302, u64(id))))[0].Sampling
	}
	if newest := get(4*maxSamplers - 1); newest != 4*maxSamplers+1 {
		t.Errorf("the newest sampler has rate %d", newest)
	}
	if oldest := get(1); oldest != 1 {
		t.Errorf("the oldest sampler still has rate %d", oldest)
	}
}

package netflow

import (
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
		{"no sampler named", sampled(v9, sampler(1, 10)), 1},
		{"305 and 306", sampled(ipfix, options(ipfix, probability, []fieldValue{f(305, u32(1)), f(306, u32(99))})), 100},
		{"305 of 10 and 306", sampled(ipfix, options(ipfix, probability, []fieldValue{f(305, u32(10)), f(306, u32(990))})), 100},
		{"305 alone", sampled(ipfix, options(ipfix, probability, []fieldValue{f(305, u32(1))})), 1},
		{"309 and 310", sampled(ipfix, options(ipfix, probability, []fieldValue{f(309, u32(2)), f(310, u32(256))})), 128},
		{"selector of the record", sampled(ipfix, options(ipfix, selector(7), []fieldValue{f(305, u32(1)), f(306, u32(9))}), f(302, u64(7))), 10},
		{"48 in options, 302 in the record", sampled(ipfix, options(ipfix, []fieldValue{f(48, u8(7))}, []fieldValue{f(50, u16(1000))}), f(302, u64(7))), 1000},
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

func TestSamplingOfAnotherDomainDoesNotCount(t *testing.T) {
	datagrams := sampled(v9, options(v9, nil, []fieldValue{f(34, u32(100))}))
	be.PutUint32(datagrams[0][16:], testDomain+1)
	if got := decode(t, datagrams...); got[0].Sampling != 1 || got[0].Has&flow.HasSampling != 0 {
		t.Errorf("sampling %d", got[0].Sampling)
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
	for id := range uint64(4 * maxSamplers) {
		feed(t, d, ipfixMessage(0, options(ipfix, []fieldValue{f(302, u64(id))}, []fieldValue{f(34, u32(uint32(id+2)))})))
	}
	get := func(id uint64) uint32 {
		return feed(t, d, message1(ipfix, f(8, ip("10.0.0.1")), f(302, u64(id))))[0].Sampling
	}
	if newest := get(4*maxSamplers - 1); newest != 4*maxSamplers+1 {
		t.Errorf("the newest sampler has rate %d", newest)
	}
	if oldest := get(0); oldest != 1 {
		t.Errorf("the oldest sampler still has rate %d", oldest)
	}
}

package netflow

import (
	"bytes"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// The lists of RFC 6313, section 4.5.

func basicList(s spec, values ...[]byte) []byte {
	return cat(u8(3), specs([]spec{s}), cat(values...))
}

func subList(template uint16, records ...[]byte) []byte {
	return cat(u8(3), u16(template), cat(records...))
}

func multiList(parts ...[]byte) []byte { return cat(u8(3), cat(parts...)) }

// part is one template's records in a multi list.
func part(template uint16, records ...[]byte) []byte { return set(template, records...) }

// varied is a value of a variable-length field.
func varied(b []byte) []byte {
	if len(b) < 255 {
		return cat(u8(uint8(len(b))), b)
	}
	return cat(u8(255), u16(uint16(len(b))), b)
}

// listed decodes a record of the given fields with one list more, and of the
// templates from 300 on.
func listed(t *testing.T, d *Decoder, list []fieldValue, kind uint16, content []byte, templates ...[]spec) []flow.Record {
	t.Helper()
	layout, data := []spec(nil), []byte(nil)
	for _, fv := range list {
		layout, data = append(layout, fv.spec), cat(data, fv.value)
	}
	all := templateRecord(256, append(layout, spec{kind, variableLength, 0})...)
	for i, s := range templates {
		all = cat(all, templateRecord(300+uint16(i), s...))
	}
	return feed(t, d, ipfixMessage(0, set(2, all), set(256, data, varied(content), make([]byte, 2))))
}

const (
	isBasic = 291
	isSub   = 292
	isMulti = 293
)

var (
	addresses = []fieldValue{f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))}
	whole     = []spec{{8, 4, 0}, {12, 4, 0}, {7, 2, 0}, {11, 2, 0}, {4, 1, 0}, {1, 4, 0}, {2, 4, 0}}
	counted   = []fieldValue{f(4, u8(6)), f(1, u32(1000)), f(2, u32(10))}
)

func wholeRecord(dst string, bytes uint32) []byte {
	return cat(ip("10.0.0.1"), ip(dst), u16(1024), u16(443), u8(6), u32(bytes), u32(bytes/100))
}

func TestListsBelongToTheRecord(t *testing.T) {
	flags := []spec{{14, 1, penCERT}, {15, 1, penCERT}, {14 | 0x4000, 1, penCERT}}
	for _, c := range []struct {
		name    string
		kind    uint16
		content []byte
	}{
		{"YAF's flags in a multi list", isMulti, multiList(part(300, u8(2), u8(0x1b), u8(0x12)))},
		{"in a sub-template list", isSub, subList(300, cat(u8(2), u8(0x1b), u8(0x12)))},
		{"of several records", isSub, subList(300, cat(u8(2), u8(0x10), u8(0x12)), cat(u8(8), u8(0x1b), u8(0)))},
		{"beside a record of DNS", isMulti, multiList(part(301, cat(ip("203.0.113.9"), u32(60))), part(300, u8(2), u8(0x1b), u8(0x12)))},
		{"in a list in a list", isSub, subList(302, varied(subList(300, cat(u8(2), u8(0x1b), u8(0x12)))))},
		{"of a list of lists", isBasic, basicList(spec{isSub, variableLength, 0}, varied(subList(300, cat(u8(2), u8(0x1b), u8(0x12)))))},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := listed(t, NewDecoder(Options{}), append(addresses, counted...), c.kind, c.content, flags, []spec{{8, 4, 0}, {199, 4, penCERT}}, []spec{{isSub, variableLength, 0}})
			wantPairs(t, got, there)
			if r := got[0]; r.TCPFlags != 0x1b || r.RevTCPFlags != 0x12 || r.Bytes != 1000 ||
				r.Has&(flow.HasTCPFlags|flow.HasRevTCPFlags) != flow.HasTCPFlags|flow.HasRevTCPFlags {
				t.Errorf("got %+v", r)
			}
		})
	}
	t.Run("flags in a basic list", func(t *testing.T) {
		got := listed(t, NewDecoder(Options{}), addresses, isBasic, basicList(spec{6, 1, 0}, u8(2), u8(0x10), u8(8)))
		if len(got) != 1 || got[0].TCPFlags != 0x1a {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a list of fixed length", func(t *testing.T) {
		content := basicList(spec{6, 1, 0}, u8(2), u8(0x10))
		got := decode(t, message1(ipfix, f(8, ip("10.0.0.1")), f(isBasic, content), f(12, ip("198.51.100.7"))))
		wantPairs(t, got, there)
		if got[0].TCPFlags != 0x12 {
			t.Errorf("flags %x", got[0].TCPFlags)
		}
	})
	t.Run("enterprise element of variable length", func(t *testing.T) {
		got := listed(t, NewDecoder(Options{}), addresses, isBasic, basicList(spec{1, variableLength, penReverse}, varied(u32(77)), varied(u16(5))))
		if len(got) != 1 || got[0].RevBytes != 77 || got[0].Has&flow.HasReverse == 0 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("addresses in basic lists", func(t *testing.T) {
		got := decode(t, message1(ipfix, fieldValue{spec{isBasic, 9, 0}, basicList(spec{8, 4, 0}, ip("10.0.0.1"))},
			fieldValue{spec{isBasic, 9, 0}, basicList(spec{12, 4, 0}, ip("198.51.100.7"))}))
		wantPairs(t, got, there)
	})
}

func TestSeveralFlowsInAListAreSeveralRecords(t *testing.T) {
	const second = "10.0.0.1>203.0.113.9"
	for _, c := range []struct {
		name    string
		list    []fieldValue
		kind    uint16
		content []byte
		want    []string
		bytes   []uint64
	}{
		{"sub-template list", []fieldValue{f(150, u32(testSeconds))}, isSub, subList(300, wholeRecord("198.51.100.7", 1000), wholeRecord("203.0.113.9", 500)),
			[]string{there, second}, []uint64{1000, 500}},
		{"multi list", []fieldValue{f(150, u32(testSeconds))}, isMulti, multiList(part(300, wholeRecord("198.51.100.7", 1000)), part(300, wholeRecord("203.0.113.9", 500))),
			[]string{there, second}, []uint64{1000, 500}},
		{"flags beside them", nil, isMulti, multiList(part(304, u8(0x12)), part(300, wholeRecord("198.51.100.7", 1000)), part(300, wholeRecord("203.0.113.9", 500))),
			[]string{there, second}, []uint64{1000, 500}},
		{"destinations of one source", append(counted, f(8, ip("10.0.0.1"))), isSub, subList(301, ip("198.51.100.7"), ip("203.0.113.9")),
			[]string{there, second}, []uint64{1000, 0}},
		{"destinations in a basic list", append(counted, f(8, ip("10.0.0.1"))), isBasic, basicList(spec{12, 4, 0}, ip("198.51.100.7"), ip("203.0.113.9")),
			[]string{there, second}, []uint64{1000, 0}},
		{"attackers and targets", counted, isMulti, multiList(part(302, ip("10.0.0.1"), ip("10.0.0.2")), part(301, ip("198.51.100.7"), ip("203.0.113.9"))),
			[]string{there, second, "10.0.0.2>198.51.100.7", "10.0.0.2>203.0.113.9"}, []uint64{1000, 0, 0, 0}},
		{"flows in lists in a list", nil, isSub, subList(303, varied(subList(300, wholeRecord("198.51.100.7", 1000))), varied(subList(300, wholeRecord("203.0.113.9", 500)))),
			[]string{there, second}, []uint64{1000, 500}},
		{"none", counted, isSub, subList(300), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			got := listed(t, d, c.list, c.kind, c.content, whole, []spec{{12, 4, 0}}, []spec{{8, 4, 0}}, []spec{{isSub, variableLength, 0}}, []spec{{6, 1, 0}})
			wantPairs(t, got, c.want...)
			for i, want := range c.bytes {
				if got[i].Bytes != want || (got[i].Has&flow.HasBytes != 0) != (want > 0) {
					t.Errorf("flow %d has %d bytes, want %d", i, got[i].Bytes, want)
				}
			}
			if n := d.Stats().Total.Addressless; len(c.want) == 0 && n != 1 {
				t.Errorf("%d records without address", n)
			}
		})
	}
}

// What a hostile exporter can have made of its lists.
func TestListsAreBounded(t *testing.T) {
	deep := subList(301, u8(0))
	for range 30 {
		deep = subList(301, varied(deep))
	}
	address := bytes.Repeat(ip("203.0.113.9"), 300)
	for _, c := range []struct {
		name    string
		kind    uint16
		content []byte
		want    int // flows
	}{
		{"depth", isSub, deep, 0},
		{"pairs", isMulti, multiList(part(303, address), part(302, address)), maxListed},
		{"values", isBasic, basicList(spec{12, 4, 0}, bytes.Repeat(address, 20)), maxListed},
		{"records", isSub, subList(300, bytes.Repeat(wholeRecord("198.51.100.7", 1), 1000)), maxListed},
		{"parts", isMulti, multiList(bytes.Repeat(part(302, ip("198.51.100.7")), 50)), 1},
		{"a part that is longer than the list", isMulti, multiList(u16(300), u16(5000), wholeRecord("198.51.100.7", 1)), 0},
		{"a part without length", isMulti, multiList(bytes.Repeat(cat(u16(300), u16(0)), 9)), 0},
		{"a list without header", isBasic, u8(3), 0},
		{"half an enterprise number", isBasic, cat(u8(3), u16(0x8001), u16(4), u16(0)), 0},
		{"a value beyond the list", isBasic, basicList(spec{8, 8, 0}, u32(9)), 0},
		{"values of no length", isBasic, basicList(spec{8, 0, 0}, u32(9)), 0},
		{"a template that never came", isSub, subList(999, u32(9)), 0},
		{"no template's id", isSub, subList(3, u32(9)), 0},
		{"an options template", isSub, subList(304, u32(9)), 0},
		{"empty", isSub, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			feed(t, d, ipfixMessage(0, set(3, ipfixOptionsRecord(304, nil, []spec{{34, 4, 0}}))))
			got := listed(t, d, counted, c.kind, c.content, whole, []spec{{isSub, variableLength, 0}}, []spec{{12, 4, 0}}, []spec{{8, 4, 0}})
			if len(got) != c.want {
				t.Errorf("%d flows, want %d", len(got), c.want)
			}
		})
	}
}

func TestReadingListsAllocatesNothing(t *testing.T) {
	d := NewDecoder(Options{})
	content := multiList(part(300, u8(2), u8(0x1b)), part(301, cat(ip("203.0.113.9"), u32(60))))
	listed(t, d, addresses, isMulti, content, []spec{{14, 1, penCERT}}, []spec{{8, 4, 0}, {199, 4, penCERT}})
	message := ipfixMessage(1, set(256, bytes.Repeat(cat(pair, varied(content)), 5)))
	out := flow.Batch{Records: make([]flow.Record, 0, 20)}
	n := testing.AllocsPerRun(100, func() {
		out.Reset()
		_ = d.Decode(message, testExporter, testReceived, &out)
	})
	if n != 0 || len(out.Records) != 5 {
		t.Errorf("%v allocations for %d records", n, len(out.Records))
	}
}

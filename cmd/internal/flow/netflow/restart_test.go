package netflow

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// at is a v9 datagram of an exporter that has been up for so many milliseconds.
func at(uptime, sequence uint32, sets ...[]byte) []byte {
	b := v9Datagram(sequence, sets...)
	be.PutUint32(b[4:], uptime)
	return b
}

// earlier is an IPFIX message that its exporter sent so many seconds before.
func earlier(seconds uint32, b []byte) []byte {
	be.PutUint32(b[4:], be.Uint32(b[4:])-seconds)
	return b
}

// inSeconds is a v9 datagram that its exporter sent so many seconds later.
func inSeconds(n int, b []byte) []byte {
	be.PutUint32(b[8:], be.Uint32(b[8:])+uint32(n))
	return b
}

var (
	template9  = set(0, templateRecord(256, srcDst...))
	swapped9   = set(0, templateRecord(256, dstSrc...))
	template10 = set(2, templateRecord(256, srcDst...))
	swapped10  = set(2, templateRecord(256, dstSrc...))
	started    = func(ms int64) []byte {
		return options(ipfix, []fieldValue{f(143, u32(1))}, []fieldValue{f(160, u64(uint64(ms)))})
	}
)

// TestDataAfterARestartWaitsForItsTemplate: the template's id may stand for another
// layout now. The same data is read at once where nothing speaks of a restart.
func TestDataAfterARestartWaitsForItsTemplate(t *testing.T) {
	data := set(256, pair)
	hour := testReceived/1e6 - 3_600_000
	for _, c := range []struct {
		name      string
		datagrams [][]byte
		want      []string
	}{
		{"uptime and sequence fell", [][]byte{at(9e8, 50_000, template9, data), at(5000, 0, data), at(6000, 1, swapped9)}, []string{there, back}},
		{"uptime fell", [][]byte{at(9e8, 5, template9, data), at(5000, 6, data), at(6000, 7, swapped9)}, []string{there, back}},
		{"v9 sequence fell", [][]byte{at(9e8, 50_000, template9, data), at(9e8+10, 0, data), at(9e8+20, 1, swapped9)}, []string{there, back}},
		{"ipfix sequence fell", [][]byte{ipfixMessage(50_000, template10, data), ipfixMessage(0, data), ipfixMessage(1, swapped10)}, []string{there, back}},
		{"the same template again", [][]byte{at(9e8, 50_000, template9, data), at(5000, 0, data), at(6000, 1, template9)}, []string{there, there}},
		{"no template comes", [][]byte{at(9e8, 50_000, template9, data), at(5000, 0, data), at(6000, 1, data)}, []string{there}},
		{"template in the datagram", [][]byte{at(9e8, 50_000, template9, data), at(5000, 0, swapped9, data)}, []string{there, back}},
		{"it started later", [][]byte{ipfixMessage(0, template10, data, started(hour)), ipfixMessage(2, started(testReceived/1e6+5000), data), ipfixMessage(3, swapped10)}, []string{there, back}},
		{"it started at about the same time", [][]byte{ipfixMessage(0, template10, data, started(hour)), ipfixMessage(2, started(hour+900), data)}, []string{there, there}},
		{"uptime wraps", [][]byte{at(1<<32-5000, 5, template9, data), at(2000, 6, data)}, []string{there, there}},
		{"datagrams overtake each other", [][]byte{at(50_000, 9, template9, data), at(49_000, 8, data), at(50_500, 10, data)}, []string{there, there, there}},
		{"sequence goes on over its end", [][]byte{at(50_000, ^uint32(0), template9, data), at(50_500, 0, data)}, []string{there, there}},
		{"a datagram of half a minute ago", [][]byte{ipfixMessage(50_000, template10, data), earlier(30, ipfixMessage(40_000, data))}, []string{there, there}},
		{"a v9 datagram of five minutes ago", [][]byte{at(9e8, 50_000, template9, data), inSeconds(-300, at(9e8-300_000, 49_990, data))}, []string{there, there}},
		{"a v9 restart without a clock", [][]byte{at(9e8, 50_000, template9, data), inSeconds(-int(testSeconds), at(5000, 0, data)), inSeconds(-int(testSeconds), at(6000, 1, swapped9))}, []string{there, back}},
		{"a restart without a clock", [][]byte{ipfixMessage(50_000, template10, data), earlier(testSeconds, ipfixMessage(0, data)), earlier(testSeconds-1, ipfixMessage(1, swapped10))}, []string{there, back}},
		{"datagrams are lost", [][]byte{at(50_000, 9, template9, data), at(90_500, 900_000, data)}, []string{there, there}},
		{"data that waited before the restart", [][]byte{at(9e8, 50_000, data), at(5000, 0, template9)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantPairs(t, decode(t, c.datagrams...), c.want...)
		})
	}
}

// A second process behind the address looks like a restart until the first goes on.
func TestASecondProcessIsNoRestart(t *testing.T) {
	data := set(256, pair)
	for name, datagrams := range map[string][][]byte{
		"v9":    {at(9e8, 50_000, template9, data), at(5000, 0, data), at(9e8+5, 50_001, data), at(5100, 1, data), at(9e8+9, 50_002, data)},
		"ipfix": {ipfixMessage(50_000, template10, data), ipfixMessage(0, data), ipfixMessage(50_001, data), ipfixMessage(1, data), ipfixMessage(50_002, data)},
	} {
		t.Run(name, func(t *testing.T) {
			wantPairs(t, decode(t, datagrams...), there, there, there, there, there)
		})
	}
}

// Some exporters number messages at random. They restart as often as anyone else, but
// their numbers do not tell.
func TestNumbersThatFallAllTheTimeAreNoSign(t *testing.T) {
	data := set(256, pair)
	d := NewDecoder(Options{})
	got := feed(t, d, ipfixMessage(50_000, template10))
	for _, number := range []uint32{40_000, 3_000_000_000, 30_000, 2_500_000_000, 20_000, 0, 2_999_000_000} {
		got = append(got, feed(t, d, ipfixMessage(number, data))...)
	}
	if len(got) != 7 {
		t.Errorf("%d flows, want 7", len(got))
	}
}

// layout is a usual one, changed what its exporter sends under the same id after its
// configuration was changed.
var (
	layout = []spec{{8, 4, 0}, {12, 4, 0}, {7, 2, 0}, {11, 2, 0}, {4, 1, 0}, {1, 4, 0}, {2, 4, 0}}
	usual  = cat(ip("10.0.0.1"), ip("198.51.100.7"), u16(1024), u16(443), u8(6), u32(1000), u32(10))
)

func TestSetsThatTheTemplateCannotHaveMadeWait(t *testing.T) {
	reordered := []spec{{1, 4, 0}, {2, 4, 0}, {8, 4, 0}, {12, 4, 0}, {4, 1, 0}, {7, 2, 0}, {11, 2, 0}} // of the same length
	record := cat(u32(0x08080808), u32(10), ip("10.0.0.1"), ip("198.51.100.7"), u8(6), u16(1024), u16(443))
	longer := append([]spec{{6, 1, 0}}, layout...)
	flags := cat(u8(0x1b), usual)
	for _, c := range []struct {
		name  string
		specs []spec
		data  []byte
		want  int
	}{
		{"values that cannot be", reordered, cat(record, record), 2},
		{"one byte more, two records", longer, cat(flags, flags), 2},
		{"one byte more, one record", longer, flags, 1},
		{"far longer", append([]spec{{62, 16, 0}, {210, 9, 0}}, layout...), cat(bytesOf(7, 25), usual), 1},
		{"shorter than a record", []spec{{8, 4, 0}, {12, 4, 0}, {4, 1, 0}}, cat(pair, u8(6)), 1},
		{"IPv6", []spec{{27, 16, 0}, {28, 16, 0}, {4, 1, 0}}, cat(ip("2001:db8::1"), ip("2001:db8::2"), u8(17)), 1},
		{"variable length", []spec{{96, variableLength, 0}, {8, 4, 0}, {12, 4, 0}}, cat(u8(200), bytesOf(9, 200), pair), 1},
	} {
		for _, v := range []version{v9, ipfix} {
			t.Run(c.name, func(t *testing.T) {
				message := func(sequence uint32, fields []spec, data []byte) []byte {
					id, template := uint16(0), []byte(nil)
					if v == ipfix {
						id = 2
					}
					if fields != nil {
						template = set(id, templateRecord(256, fields...))
					}
					if data != nil {
						data = set(256, data)
					}
					if v == ipfix {
						return ipfixMessage(sequence, template, data)
					}
					return v9Datagram(sequence, template, data)
				}
				d := NewDecoder(Options{})
				if got := feed(t, d, message(0, layout, usual)); len(got) != 1 {
					t.Fatalf("%d flows at first", len(got))
				}
				if got := feed(t, d, message(1, nil, c.data)); len(got) != 0 {
					t.Errorf("decoded with the old template: %+v", got)
				}
				got := feed(t, d, message(1, c.specs, nil))
				if len(got) != c.want {
					t.Fatalf("%d flows when the template came, want %d", len(got), c.want)
				}
				for _, r := range got {
					if s := r.Src.String(); s != "10.0.0.1" && s != "2001:db8::1" {
						t.Errorf("source %s", s)
					}
				}
			})
		}
	}
}

func bytesOf(v byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = v
	}
	return b
}

// One odd packet in a set, or in one of its own, hides nothing: anyone may send it.
func TestOddPacketsAreNoSignOfAnotherTemplate(t *testing.T) {
	odd := func(proto uint8, src string) []byte {
		return cat(ip(src), ip("198.51.100.7"), u16(1), u16(2), u8(proto), u32(1000), u32(10))
	}
	template := set(0, templateRecord(256, layout...))
	for name, data := range map[string][]byte{
		"an unassigned protocol":               odd(200, "10.0.0.1"),
		"a source of class 0":                  odd(6, "0.1.2.3"),
		"both, beside a flow that is like any": cat(odd(200, "0.1.2.3"), usual),
	} {
		t.Run(name, func(t *testing.T) {
			if got := decode(t, v9Datagram(0, template), v9Datagram(1, set(256, data))); len(got) != len(data)/len(usual) {
				t.Errorf("%d flows", len(got))
			}
		})
	}
}

// An exporter whose padding is not zero is read when it sent the same template again,
// and from then on at once.
func TestPaddingThatIsNotZero(t *testing.T) {
	d := NewDecoder(Options{})
	template, padded := set(0, templateRecord(256, layout...)), set(256, usual, bytesOf(0xaa, 7))
	feed(t, d, v9Datagram(0, template))
	if got := feed(t, d, v9Datagram(1, padded)); len(got) != 0 {
		t.Errorf("%d flows at first", len(got))
	}
	if got := feed(t, d, v9Datagram(2, template)); len(got) != 1 {
		t.Errorf("%d flows when the template came again", len(got))
	}
	if got := feed(t, d, v9Datagram(3, padded)); len(got) != 1 {
		t.Errorf("%d flows after that", len(got))
	}
	if got := decode(t, v9Datagram(0, template), v9Datagram(1, set(256, usual, bytesOf(0xaa, 3)))); len(got) != 1 {
		t.Errorf("%d flows with three bytes behind a record like any other", len(got))
	}
}

func TestStoredTemplatesAreOnTrial(t *testing.T) {
	stored := func(t *testing.T, datagrams ...[]byte) *Decoder {
		path := filepath.Join(t.TempDir(), "templates")
		store := openStore(t, path)
		feed(t, NewDecoder(Options{Templates: store}), datagrams...)
		save(t, store)
		return NewDecoder(Options{Templates: openStore(t, path)})
	}
	template := set(0, templateRecord(256, layout...))
	first := at(9e8, 50_000, template, set(256, usual))
	oneFault := cat(ip("10.0.0.1"), ip("198.51.100.7"), u16(1024), u16(443), u8(200), u32(1000), u32(10))

	t.Run("good ones are used", func(t *testing.T) {
		if got := feed(t, stored(t, first), at(9e8+60_000, 51_000, set(256, usual))); len(got) != 1 {
			t.Errorf("%d flows", len(got))
		}
	})
	t.Run("less is enough to doubt", func(t *testing.T) {
		d := stored(t, first)
		if got := feed(t, d, at(9e8+60_000, 51_000, set(256, oneFault))); len(got) != 0 {
			t.Errorf("%d flows", len(got))
		}
		if got := feed(t, d, at(9e8+60_500, 51_001, template)); len(got) != 1 {
			t.Errorf("%d flows when the template came", len(got))
		}
		if got := feed(t, d, at(9e8+61_000, 51_002, set(256, oneFault))); len(got) != 1 {
			t.Errorf("%d flows after that", len(got))
		}
	})
	t.Run("the exporter restarted meanwhile", func(t *testing.T) {
		d := stored(t, first)
		swapped := append([]spec{{12, 4, 0}, {8, 4, 0}}, layout[2:]...)
		if got := feed(t, d, at(5000, 3, set(256, usual))); len(got) != 0 {
			t.Errorf("decoded with the stored template: %+v", got)
		}
		wantPairs(t, feed(t, d, at(6000, 4, set(0, templateRecord(256, swapped...)))), back)
	})
	t.Run("flowhound alone restarted, after it did", func(t *testing.T) {
		d := stored(t, first, at(5000, 0, template, set(256, usual)))
		if got := feed(t, d, at(65_000, 60, set(256, usual))); len(got) != 1 {
			t.Errorf("%d flows", len(got))
		}
	})
}

func TestANewTemplateThatIsMalformedPutsTheOldOneOnTrial(t *testing.T) {
	d := NewDecoder(Options{})
	fault := cat(ip("10.0.0.1"), ip("198.51.100.7"), u16(1024), u16(443), u8(200), u32(1000), u32(10))
	feed(t, d, ipfixMessage(0, set(2, templateRecord(256, layout...)), set(2, u16(256), u16(9), u16(8), u16(4))))
	if got := feed(t, d, ipfixMessage(0, set(256, fault))); len(got) != 0 {
		t.Errorf("%d flows", len(got))
	}
}

// A datagram may carry the template that data waits for, and the table of samplers
// behind it.
func TestHeldDataGetsTheSamplingOfTheSameDatagram(t *testing.T) {
	d := NewDecoder(Options{})
	data := set(256, pair)
	var out flow.Batch
	_ = d.Decode(v9Datagram(0, data), testExporter, testReceived-int64(time.Minute), &out)
	_ = d.Decode(v9Datagram(1, template9, data, options(v9, nil, []fieldValue{f(34, u32(64))})), testExporter, testReceived, &out)
	wantPairs(t, out.Records, there, there)
	if r := out.Records[0]; r.Sampling != 64 || r.Received != testReceived-int64(time.Minute) {
		t.Errorf("the flow that waited has sampling %d and was received at %d", r.Sampling, r.Received)
	}
}

// Which of two templates in one datagram held data gets is told by the wire's order.
func TestHeldDataGetsTheFirstTemplateThatComes(t *testing.T) {
	wantPairs(t, decode(t, v9Datagram(0, set(256, pair)), v9Datagram(1, template9, swapped9)), there)
}

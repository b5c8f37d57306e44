package netflow

import (
	"errors"
	"reflect"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// TestTrustBytesNotCounts holds what a datagram's bytes say against what its
// counts and lengths say.
func TestTrustBytesNotCounts(t *testing.T) {
	template9 := set(0, templateRecord(256, srcDst...))
	template10 := set(2, templateRecord(256, srcDst...))
	data := set(256, pair)
	lie := func(b []byte, at int, v uint16) []byte {
		be.PutUint16(b[at:], v)
		return b
	}
	trailing := func(n int) []byte {
		b := make([]byte, n)
		b[n-1] = 1
		return b
	}
	noError := Reason(NumReasons)
	for _, c := range []struct {
		name     string
		datagram []byte
		flows    int
		want     Reason
	}{
		{"v5 count too high", v5Datagram(163, 0, v5Record(), v5Record()), 2, BadCount},
		{"v5 count too low", v5Datagram(1, 0, v5Record(), v5Record()), 2, BadCount},
		{"v5 count zero", v5Datagram(0, 0, v5Record()), 1, BadCount},
		{"v5 half a record", v5Datagram(2, 0, v5Record(), v5Record()[:47]), 1, BadCount},
		{"v5 header only", v5Datagram(0, 0), 0, noError},
		{"v9 count too high", lie(v9Datagram(0, template9, data), 2, 9999), 1, noError},
		{"v9 count zero", lie(v9Datagram(0, template9, data), 2, 0), 1, noError},
		{"v9 padding of 3", v9Datagram(0, template9, set(256, pair, make([]byte, 3))), 1, noError},
		{"ipfix padding of 7", ipfixMessage(0, template10, set(256, pair, make([]byte, 7)), data), 2, noError},
		{"padding that is not zero", ipfixMessage(0, template10, set(256, pair, trailing(2)), data), 2, noError},
		{"padding of a template set", v9Datagram(0, set(0, templateRecord(256, srcDst...), make([]byte, 8)), data), 1, noError},
		{"set of length 0 ends the datagram", v9Datagram(0, template9, data, u16(256), u16(0), data), 1, BadSetLength},
		{"set of length 3 ends the datagram", v9Datagram(0, template9, data, u16(256), u16(3), data), 1, BadSetLength},
		{"datagram filled with zeros", v9Datagram(0, template9, data, make([]byte, 1220)), 1, noError},
		{"empty set", v9Datagram(0, template9, set(256), data), 1, noError},
		{"set longer than the datagram", v9Datagram(0, template9, u16(256), u16(2000), pair, pair, trailing(5)), 2, Truncated},
		{"rest shorter than a set header", v9Datagram(0, template9, data, trailing(3)), 1, TrailingBytes},
		{"reserved set id", v9Datagram(0, template9, set(77, pair), data), 1, ReservedSet},
		{"ipfix template set in v9", v9Datagram(0, template10, data), 0, ReservedSet},
		{"ipfix message longer than the datagram", lie(ipfixMessage(0, template10, data), 2, 5000), 1, Truncated},
		{"ipfix message shorter than its header", lie(ipfixMessage(0, template10, data), 2, 15), 1, BadCount},
		{"ipfix message of length 0", lie(ipfixMessage(0, template10, data), 2, 0), 1, BadCount},
		{"ipfix message with a count for its length", lie(ipfixMessage(0, template10, data, data), 2, 2), 2, BadCount},
		{"ipfix message cut by its length within a set", lie(ipfixMessage(0, template10, data, data), 2, 50), 2, BadCount},
		{"ipfix message cut by its length between sets", lie(ipfixMessage(0, template10, data, data), 2, 16+20+12), 2, BadCount},
		{"ipfix message cut by its length before padding", lie(ipfixMessage(0, template10, data, data, make([]byte, 6)), 2, 50), 2, BadCount},
		{"short ipfix message before another", cat(lie(ipfixMessage(0, template10, data, data), 2, 50), ipfixMessage(2, data)), 3, BadCount},
		{"ipfix set of v9 templates", ipfixMessage(0, template9, data), 1, noError},
		{"ipfix set of v9 options templates", ipfixMessage(0, template9, set(1, v9OptionsRecord(300, []spec{{1, 4, 0}}, []spec{{34, 4, 0}})), set(300, u32(1), u32(9)), data), 1, noError},
		{"several v5 messages", cat(v5Datagram(1, 0, v5Record()), v5Datagram(2, 1, v5Record(), v5Record())), 3, noError},
		{"several v5 messages, none in the first", cat(v5Datagram(0, 0), v5Datagram(1, 0, v5Record())), 1, noError},
		{"several v9 messages", cat(v9Datagram(0, template9, data), v9Datagram(1, data), v9Datagram(2, data, data)), 4, noError},
		{"several ipfix messages", cat(ipfixMessage(0, template10, data), ipfixMessage(1, data), ipfixMessage(2, data)), 3, noError},
		{"trailing garbage", cat(ipfixMessage(0, template10, data), trailing(40)), 1, TrailingBytes},
		{"trailing zeros", cat(ipfixMessage(0, template10, data), make([]byte, 40)), 1, noError},
		{"record length 0", v9Datagram(0, set(0, templateRecord(256, spec{8, 0, 0})), data, template9, data), 1, EmptyRecord},
		{"template without fields", v9Datagram(0, set(0, templateRecord(256)), template9, data), 1, noError},
		{"zero-length fields", v9Datagram(0, set(0, templateRecord(256, spec{8, 4, 0}, spec{1, 0, 0}, spec{12, 4, 0})), data), 1, noError},
		{"variable length beyond the set", ipfixMessage(0, template10, data,
			set(2, templateRecord(257, spec{8, 4, 0}, spec{82, variableLength, 0})), set(257, ip("10.0.0.1"), u8(200), u8(0)), data), 2, BadRecord},
		{"variable length without its length", ipfixMessage(0, template10, data,
			set(2, templateRecord(257, spec{8, 4, 0}, spec{82, variableLength, 0})), set(257, ip("10.0.0.1"), u8(255), u8(0)), data), 2, BadRecord},
		{"empty", nil, 0, ShortHeader},
		{"one byte", u8(9), 0, ShortHeader},
		{"sFlow", u32(5), 0, BadVersion},
		{"version 8", cat(u16(8), make([]byte, 100)), 0, BadVersion},
		{"v5 short header", v5Datagram(0, 0)[:23], 0, ShortHeader},
		{"v9 short header", v9Datagram(0)[:19], 0, ShortHeader},
		{"ipfix short header", ipfixMessage(0)[:15], 0, ShortHeader},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			var out flow.Batch
			err := d.Decode(c.datagram, testExporter, testReceived, &out)
			if len(out.Records) != c.flows {
				t.Errorf("%d flows, want %d", len(out.Records), c.flows)
			}
			total := d.Stats().Total
			for r, n := range total.Malformed {
				if Reason(r) != c.want && n != 0 || Reason(r) == c.want && n != 1 {
					t.Errorf("%s counted %d times", Reason(r), n)
				}
			}
			if c.want == noError && err != nil || c.want != noError && !errors.Is(err, c.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOptionsTemplateWithScopeLengthZero(t *testing.T) {
	options := []spec{{34, 4, 0}}
	for name, datagram := range map[string][]byte{
		"v9":    v9Datagram(0, set(1, v9OptionsRecord(300, nil, options)), set(300, u32(100)), set(0, templateRecord(256, srcDst...)), set(256, pair)),
		"ipfix": ipfixMessage(0, set(3, ipfixOptionsRecord(300, nil, options)), set(300, u32(100)), set(2, templateRecord(256, srcDst...)), set(256, pair)),
	} {
		t.Run(name, func(t *testing.T) {
			got := decode(t, datagram)
			wantPairs(t, got, there)
			if got[0].Sampling != 100 {
				t.Errorf("sampling %d, want 100", got[0].Sampling)
			}
		})
	}
}

// The memory of a batch is used again: what v5 does not send is cleared, whatever stood
// there.
func TestV5LeavesNothingOver(t *testing.T) {
	t.Parallel()
	var full flow.Record
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			switch f := v.Field(i); {
			case v.Type().Field(i).Name == "_":
			case f.Kind() == reflect.Struct:
				fill(f)
			case f.CanInt():
				f.SetInt(77)
			default:
				f.SetUint(77)
			}
		}
	}
	fill(reflect.ValueOf(&full).Elem())
	decode := func(memory []flow.Record) flow.Record {
		t.Helper()
		out := flow.Batch{Records: memory[:0]}
		if err := NewDecoder(Options{}).Decode(v5Datagram(1, 0, v5Record()), testExporter, testReceived, &out); err != nil || len(out.Records) != 1 {
			t.Fatal(err, len(out.Records))
		}
		return out.Records[0]
	}
	if got, want := decode([]flow.Record{full}), decode(make([]flow.Record, 1)); got != want {
		t.Errorf("in used memory\n%+v\nwant\n%+v", got, want)
	}
}

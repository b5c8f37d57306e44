package hitpb

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// fill gives every field below v a value of its own, so that one that is
// forgotten on the way, or takes another's place, shows.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case netip.Addr:
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(*n)})
		if *n%2 == 0 {
			a = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", *n))
		}
		v.Set(reflect.ValueOf(a))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(*n), 0}), 24)))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(int64(*n), int64(*n)).UTC()))
		return
	case hit.Severity:
		v.Set(reflect.ValueOf(hit.High))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		t.Fatalf("cannot fill a %s: teach the test, and the messages", v.Type())
	}
}

func roundTrip(t *testing.T, h hit.Hit) hit.Hit {
	t.Helper()
	b, err := Append(nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return *got
}

// TestEveryFieldCrosses fails when a field is added to hit.Hit and not to the wire.
func TestEveryFieldCrosses(t *testing.T) {
	var want hit.Hit
	n := 0
	fill(t, reflect.ValueOf(&want).Elem(), &n)
	if got := roundTrip(t, want); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestOddHitsCross(t *testing.T) {
	for name, h := range map[string]hit.Hit{
		"empty":     {},
		"no ports":  {SrcPort: hit.NoPort, DstPort: hit.NoPort},
		"default":   {IOC: netip.MustParsePrefix("0.0.0.0/0")},
		"mapped":    {Src: netip.MustParseAddr("::ffff:10.0.0.1"), Dst: netip.MustParseAddr("fe80::1%eth0")},
		"long ago":  {Time: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), Start: time.Date(9999, 12, 31, 0, 0, 0, 999, time.UTC)},
		"largest":   {Bytes: 1<<64 - 1, Domain: 1<<32 - 1, Proto: 255, Sources: 1 << 40},
		"of future": {Kind: "dream", Matched: "elsewhere"},
	} {
		if got := roundTrip(t, h); !reflect.DeepEqual(got, h) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, h)
		}
	}
	if got := roundTrip(t, hit.Hit{Name: "a\xffb", Indicators: []hit.Indicator{{Tags: []string{"\xff"}}}}); got.Name != "a\uFFFDb" || got.Indicators[0].Tags[0] != "\uFFFD" {
		t.Errorf("no UTF-8: %+v", got)
	}
}

func TestBadMessages(t *testing.T) {
	for name, m := range map[string]*Hit{
		"address": {Id: "x-1", Src: []byte{1, 2, 3}},
		"prefix":  {Id: "x-1", Ioc: []byte{10, 0, 0, 0, 99}},
		"nested":  {Id: "x-1", Indicators: []*Indicator{nil, {Ioc: []byte{1}}}},
	} {
		if _, err := ToHits([]*Hit{nil, m}); err == nil || !strings.HasPrefix(err.Error(), `hit 1 of 2 ("x-1"): `) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: no message makes a reader panic, and what it accepts is a hit that
// crosses unchanged.
func FuzzParse(f *testing.F) {
	b, err := Append(nil, &hit.Hit{ID: "x-1", Src: netip.MustParseAddr("10.0.0.1"), IOC: netip.MustParsePrefix("10.0.0.0/8"), Time: time.Unix(1, 2)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		if err != nil {
			return
		}
		b, err = Append(nil, h)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(b); err != nil || !reflect.DeepEqual(again, h) {
			t.Errorf("%+v became %+v, %v", h, again, err)
		}
	})
}

func BenchmarkHits(b *testing.B) {
	var h hit.Hit
	n := 0
	fill(new(testing.T), reflect.ValueOf(&h).Elem(), &n)
	b.ReportAllocs()
	var buf []byte
	var err error
	for b.Loop() {
		if buf, err = Append(buf[:0], &h); err != nil {
			b.Fatal(err)
		}
		if _, err := Parse(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(buf)), "bytes")
}

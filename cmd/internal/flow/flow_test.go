package flow

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestRecordHoldsNoPointers(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(ty reflect.Type) {
		switch ty.Kind() {
		case reflect.Struct:
			for i := range ty.NumField() {
				walk(ty.Field(i).Type)
			}
		case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Interface, reflect.Chan, reflect.Func:
			t.Errorf("%v in a Record makes the garbage collector scan every batch", ty)
		}
	}
	walk(reflect.TypeFor[Record]())
}

func TestAddrRoundTrip(t *testing.T) {
	for _, s := range []string{"192.0.2.1", "255.255.255.255", "2001:db8::1", "::1", "fe80::ffff:0:1"} {
		ip := netip.MustParseAddr(s)
		if got := AddrFrom(ip).IP(); got != ip {
			t.Errorf("%s came back as %s", ip, got)
		}
	}
	if got := AddrFrom(netip.MustParseAddr("::ffff:192.0.2.1")).String(); got != "192.0.2.1" {
		t.Errorf("a v4-mapped address prints as %s, want it unmapped", got)
	}
	if a := Addr4(0xc0000201); a.String() != "192.0.2.1" || a.V4() != 0xc0000201 || !a.Is4() {
		t.Errorf("Addr4 made %s", a)
	}
	for range 1000 {
		a := Addr{rand.Uint64(), rand.Uint64()}
		if got := AddrFrom(a.IP()); got != a {
			t.Fatalf("%x came back as %x", a, got)
		}
	}
}

func TestUnspecifiedAddresses(t *testing.T) {
	for s, want := range map[string]bool{"0.0.0.0": true, "::": true, "0.0.0.1": false, "::1": false, "192.0.2.1": false} {
		if got := AddrFrom(netip.MustParseAddr(s)).IsUnspecified(); got != want {
			t.Errorf("IsUnspecified(%s) = %v", s, got)
		}
	}
	if !AddrFrom(netip.Addr{}).IsUnspecified() {
		t.Error("the invalid address is not unspecified")
	}
}

func TestJSONLeavesOutWhatWasNotSent(t *testing.T) {
	received := time.Date(2026, 6, 7, 10, 37, 51, 5e8, time.UTC)
	r := Record{
		Src: Addr4(0x0a010203), Dst: AddrFrom(netip.MustParseAddr("2001:db8::1")), Exporter: Addr4(0xc0000201),
		Received: received.UnixNano(), Domain: 7, Version: 9, Sampling: 1,
		Has: HasPorts | HasProto | HasBytes, SrcPort: 51234, Proto: 6,
	}
	var got map[string]any
	if err := json.Unmarshal(r.AppendJSON(nil), &got); err != nil {
		t.Fatalf("not JSON: %v: %s", err, r.AppendJSON(nil))
	}
	want := map[string]any{
		"received": "2026-06-07T10:37:51.5Z", "exporter": "192.0.2.1", "domain": 7.0, "version": 9.0,
		"src": "10.1.2.3", "dst": "2001:db8::1", "sport": 51234.0, "dport": 0.0, "proto": 6.0, "bytes": 0.0,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	r = Record{Has: HasSrcAS | HasDstAS, SrcAS: 4200000000}
	if err := json.Unmarshal(r.AppendJSON(nil), &got); err != nil || got["sas"] != 4.2e9 || got["das"] != 0.0 {
		t.Errorf("%v in %s", err, r.AppendJSON(nil))
	}
}

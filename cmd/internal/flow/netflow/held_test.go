package netflow

import (
	"bytes"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestMissingTemplateCostsThatSetOnly(t *testing.T) {
	d := NewDecoder(Options{})
	feed(t, d, v9Datagram(0, set(0, templateRecord(256, srcDst...))))
	var out flow.Batch
	err := d.Decode(v9Datagram(1, set(256, pair), set(300, pair), set(256, pair)), testExporter, testReceived, &out)
	if err != ErrNoTemplate { //nolint:errorlint // documented to be this value
		t.Errorf("error %v", err)
	}
	wantPairs(t, out.Records, there, there)
	s := d.Stats().Exporters[0]
	if s.SetsWithoutTemplate != 1 || s.Missing != (MissingTemplate{9, testDomain, 300}) {
		t.Errorf("%d sets without template, the last is %+v", s.SetsWithoutTemplate, s.Missing)
	}
}

func TestHeldSetsAreDecodedInOrderWhenTheTemplateComes(t *testing.T) {
	d := NewDecoder(Options{})
	second := cat(ip("10.0.0.2"), ip("198.51.100.7"))
	var out flow.Batch
	_ = d.Decode(v9Datagram(0, set(256, pair)), testExporter, testReceived-2e9, &out)
	_ = d.Decode(v9Datagram(1, set(256, second), set(257, pair)), testExporter, testReceived-1e9, &out)
	_ = d.Decode(v9Datagram(2, set(0, templateRecord(256, srcDst...)), set(256, pair)), testExporter, testReceived, &out)
	wantPairs(t, out.Records, there, "10.0.0.2>198.51.100.7", there)
	for i, want := range []int64{testReceived - 2e9, testReceived - 1e9, testReceived} {
		if out.Records[i].Received != want {
			t.Errorf("record %d was received at %d, want %d", i, out.Records[i].Received, want)
		}
	}
	if s := d.Stats().Total; s.SetsWithoutTemplate != 3 || s.HeldDecoded != 2 || s.HeldDropped != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestHeldSetKeepsTheTimesOfItsMessage(t *testing.T) {
	withTimes := []spec{{8, 4, 0}, {12, 4, 0}, {22, 4, 0}, {21, 4, 0}}
	data := v9Datagram(0, set(256, pair, u32(testUptime-5000), u32(testUptime-1000)))
	later := v9Datagram(1, set(0, templateRecord(256, withTimes...)))
	be.PutUint32(later[4:], testUptime+60_000) // its clock was set back meanwhile
	got := decode(t, data, later)
	if len(got) != 1 || got[0].Start != testReceived-5e9 || got[0].End != testReceived-1e9 {
		t.Errorf("got %+v", got)
	}
}

func TestHeldSetsExpire(t *testing.T) {
	for name, after := range map[string]time.Duration{"late": 2 * time.Minute, "clock set back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(Options{})
			feed(t, d, v9Datagram(0, set(256, pair)))
			var out flow.Batch
			_ = d.Decode(v9Datagram(1, set(0, templateRecord(256, srcDst...))), testExporter, testReceived+int64(after), &out)
			if len(out.Records) != 0 {
				t.Error("an expired set was decoded")
			}
			if n := d.Stats().Total.HeldDropped; n != 1 {
				t.Errorf("%d sets dropped, want 1", n)
			}
		})
	}
}

// A datagram of a FortiGate holds sixteen sets of one record each.
func TestManySmallSetsAreHeld(t *testing.T) {
	d := NewDecoder(Options{})
	for i := range uint32(20) {
		feed(t, d, v9Datagram(i, bytes.Repeat(set(256, pair), 16)))
	}
	got := feed(t, d, v9Datagram(20, set(0, templateRecord(256, srcDst...))))
	if len(got) != 320 {
		t.Errorf("%d flows, want 320", len(got))
	}
}

func TestHeldSetsAreBounded(t *testing.T) {
	peer.Long(t)
	for name, size := range map[string]int{"small": 8, "large": 60_000} {
		t.Run(name, func(t *testing.T) {
			const sets = 3000
			d := NewDecoder(Options{})
			for i := range uint32(sets) {
				feed(t, d, ipfixMessage(0, set(256, u32(i+1), u32(9), make([]byte, size-8))))
			}
			if d.memory > maxHeldBytes {
				t.Errorf("%d bytes held", d.memory)
			}
			got := feed(t, d, ipfixMessage(0, set(2, templateRecord(256, spec{8, 4, 0}, spec{12, 4, 0}, spec{210, uint16(size - 8), 0}))))
			if len(got) == 0 || len(got) == sets || got[len(got)-1].Src != flow.Addr4(sets) {
				t.Errorf("%d held sets were decoded, want the newest", len(got))
			}
			if s := d.Stats().Total; s.HeldDropped+s.HeldDecoded != sets || s.HeldDecoded != uint64(len(got)) {
				t.Errorf("counted %+v", s)
			}
			if d.memory > 2000 {
				t.Errorf("%d bytes are still accounted for", d.memory)
			}
		})
	}
}

package netflow

import (
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// ntp is the 64-bit NTP form of Unix nanoseconds, which are rounded down.
func ntp(ns int64) []byte {
	return u64(uint64(ns/1e9+ntpToUnix)<<32 | uint64(ns%1e9)<<32/1e9)
}

func TestTimes(t *testing.T) {
	start, end := testReceived-int64(10*time.Second), testReceived-int64(time.Second)
	seconds := func(ns int64) []byte { return u32(uint32(ns / 1e9)) }
	milli := func(ns int64) []byte { return u64(uint64(ns / 1e6)) }
	before := func(ns int64) []byte { return u32(uint32((testReceived - ns) / 1e3)) } // the export time is the receive time here
	booted := testReceived - int64(100*24*time.Hour)                                  // the uptime has wrapped twice
	since := func(ns int64) []byte { return u32(uint32((ns - booted) / 1e6)) }
	for _, c := range []struct {
		name string
		v    version
		list []fieldValue
	}{
		{"uptime", v9, []fieldValue{f(22, u32(testUptime-10_000)), f(21, u32(testUptime-1_000))}},
		{"uptime in 8 bytes, as NX-OS", v9, []fieldValue{f(22, u64(testUptime-10_000)), f(21, u64(testUptime-1_000))}},
		{"Unix milliseconds in 8-byte uptimes", v9, []fieldValue{f(22, milli(start)), f(21, milli(end))}},
		{"seconds", ipfix, []fieldValue{f(150, seconds(start)), f(151, seconds(end))}},
		{"milliseconds", ipfix, []fieldValue{f(152, milli(start)), f(153, milli(end))}},
		{"milliseconds in v9, as ASA", v9, []fieldValue{f(152, milli(start)), f(323, milli(end))}},
		{"microseconds", ipfix, []fieldValue{f(154, ntp(start)), f(155, ntp(end))}},
		{"nanoseconds", ipfix, []fieldValue{f(156, ntp(start)), f(157, ntp(end))}},
		{"deltas", ipfix, []fieldValue{f(158, before(start)), f(159, before(end))}},
		{"uptime with 160, wrapped", ipfix, []fieldValue{f(22, since(start)), f(21, since(end)), f(160, milli(booted))}},
		{"duration in milliseconds after the start", ipfix, []fieldValue{f(161, u32(9000)), f(152, milli(start))}},
		{"duration in microseconds before the end", ipfix, []fieldValue{f(162, u32(9_000_000)), f(153, milli(end))}},
		{"better ones first", ipfix, []fieldValue{f(150, seconds(1)), f(151, seconds(1)), f(152, milli(start)), f(153, milli(end))}},
		{"zero ones last", ipfix, []fieldValue{f(150, seconds(start)), f(151, seconds(end)), f(152, u64(0)), f(153, u64(0))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantTimes(t, one(t, c.v, c.list...), start, end)
		})
	}
}

func wantTimes(t *testing.T, r flow.Record, start, end int64) {
	t.Helper()
	if r.Start != start || r.End != end {
		t.Errorf("start %s end %s, want %s %s", time.Unix(0, r.Start).UTC(), time.Unix(0, r.End).UTC(), time.Unix(0, start).UTC(), time.Unix(0, end).UTC())
	}
	if r.Has&flow.HasStart == 0 || r.Has&flow.HasEnd == 0 {
		t.Error("start or end is marked as not sent")
	}
}

func TestUptimeOfIPFIXWithStartFromOptions(t *testing.T) {
	booted := testReceived - int64(time.Hour)
	flowRecord := message1(ipfix, f(8, ip("10.0.0.1")), f(22, u32(3_590_000)), f(21, u32(3_599_000)))
	opts := ipfixMessage(0, options(ipfix, []fieldValue{f(143, u32(1))}, []fieldValue{f(160, u64(uint64(booted/1e6)))}))
	wantTimes(t, decode(t, opts, flowRecord)[0], testReceived-10e9, testReceived-1e9)
	t.Run("never told", func(t *testing.T) { // then the flow ended when it was exported
		wantTimes(t, decode(t, flowRecord)[0], testReceived-9e9, testReceived)
	})
}

func TestUptimeWrapsAfter49Days(t *testing.T) {
	record := v5Record()
	be.PutUint32(record[24:], ^uint32(0)-7999) // 8 s before the wrap
	be.PutUint32(record[28:], 1000)
	datagram := v5Datagram(1, 0, record)
	be.PutUint32(datagram[4:], 2000)
	wantTimes(t, decode(t, datagram)[0], testReceived-10e9, testReceived-1e9)
}

func TestFlowsFromBeforeTheExporterStarted(t *testing.T) {
	// A softflowd that reads an old capture: negative uptimes, 49.7 days ahead
	// when taken literally.
	record := v5Record()
	age := uint32(24 * 3600 * 1000)
	be.PutUint32(record[24:], testUptime-age-9000)
	be.PutUint32(record[28:], testUptime-age)
	day := int64(24 * time.Hour)
	wantTimes(t, decode(t, v5Datagram(1, 0, record))[0], testReceived-day-9e9, testReceived-day)
}

func TestTimesAreClampedAroundTheReceiveTime(t *testing.T) {
	unix := func(s int) []byte { return u32(uint32(s)) }
	for _, c := range []struct {
		name       string
		start, end []byte
	}{
		{"1970", unix(1), unix(2)},
		{"2106", unix(1<<32 - 2), unix(1<<32 - 1)},
		{"end before start", unix(int(testSeconds)), unix(int(testSeconds) - 60)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := one(t, ipfix, f(150, c.start), f(151, c.end))
			if r.Start > r.End || r.Start < testReceived-maxPast || r.End > testReceived+maxFuture || r.Received != testReceived {
				t.Errorf("start %s end %s", time.Unix(0, r.Start).UTC(), time.Unix(0, r.End).UTC())
			}
		})
	}
	t.Run("a clock that was never set keeps the duration", func(t *testing.T) {
		wantTimes(t, one(t, ipfix, f(150, unix(100)), f(151, unix(160))), testReceived-60e9, testReceived)
	})
	t.Run("a connection of a month", func(t *testing.T) {
		wantTimes(t, one(t, ipfix, f(150, unix(int(testSeconds)-30*86400)), f(151, unix(int(testSeconds)-5))), testReceived-maxPast, testReceived-5e9)
	})
	t.Run("random 64-bit times", func(t *testing.T) {
		for _, v := range []uint64{1, 1 << 31, 1 << 33, 1 << 63, ^uint64(0)} {
			for id := uint16(150); id <= 157; id += 2 {
				r := one(t, ipfix, f(id, u64(v)), f(id+1, u64(v)))
				sent := r.Has&flow.HasStart != 0
				if sent != (r.Start != 0) || sent && (r.Start > r.End || r.Start < testReceived-maxPast || r.End > testReceived+maxFuture) {
					t.Errorf("element %d of %d: start %d end %d", id, v, r.Start, r.End)
				}
			}
		}
	})
}

func TestTimesThatWereNotSentStayZero(t *testing.T) {
	r := one(t, ipfix, f(152, u64(0)))
	if r.Start != 0 || r.End != 0 || r.Has&(flow.HasStart|flow.HasEnd) != 0 {
		t.Errorf("got %+v", r)
	}
}

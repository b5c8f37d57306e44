package hit

import (
	"net/netip"
	"testing"
	"time"
)

func parsed() *Hit {
	at := time.Date(2026, 6, 7, 10, 37, 51, 0, time.UTC)
	src, dst := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.7")
	return &Hit{
		Kind: New, Severity: High, Direction: Outbound, State: Established, Category: "c2", Feed: "otx",
		IOC: netip.PrefixFrom(dst, 32), Score: 60, Src: src, SrcPort: 51234, Dst: dst, DstPort: 443, Proto: 6,
		Count: 2, Bytes: 18412, Packets: 97, Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"),
		Start: at, End: at.Add(20 * time.Second), ID: "7k3m9q2v8w1xz-1", Ref: "https://otx.example/5f", Name: "Emotet wave 3",
	}
}

func TestParseLine(t *testing.T) {
	h := parsed()
	h.Sources, h.Targets = 36, 9
	got, err := ParseLine(string(AppendLine(nil, h)))
	if err != nil {
		t.Fatal(err)
	}
	want := *h
	want.Time, want.Local, want.Remote = h.End, h.Src, h.Dst
	a, b := string(AppendLine(nil, got)), string(AppendLine(nil, &want))
	if a != b || got.Local != want.Local || got.Remote != want.Remote || got.Sources != 36 || got.Name != h.Name || !got.Time.Equal(h.End) {
		t.Errorf("%+v\n%s\n%s", got, a, b)
	}
	h.Direction, h.SrcPort, h.Regular = Inbound, NoPort, &Regular{Score: 0.9, PeriodSeconds: 300, Contacts: 12}
	if got, err = ParseLine(string(AppendLine(nil, h))); err != nil || got.Local != h.Dst || got.SrcPort != NoPort || got.Name != "Emotet wave 3 (every 5 min to the second, 12 times, same size)" {
		t.Errorf("%v %+v", err, got)
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(string(AppendLine(nil, parsed())))
	f.Add("hit kind=new sev=high")
	f.Add(`hit kind=- sev=info dir=- state=- cat=- feed=- ioc=- score=0 src=- sport=- dst=- dport=- proto=hopopt count=0 bytes=0 pkts=0 cc=- exporter=- seen=- id=- ref="-" name="(+1 sources, 99999999999999999999 targets)"`)
	f.Fuzz(func(t *testing.T, line string) {
		h, err := ParseLine(line)
		if err != nil {
			return
		}
		// What was read can be written, and read again as the same.
		again, err := ParseLine(string(AppendLine(nil, h)))
		if err != nil || again.Src != h.Src.Unmap().WithZone("") || again.Count != h.Count {
			t.Errorf("%q: %v, %+v", line, err, again)
		}
	})
}

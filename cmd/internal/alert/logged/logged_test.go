package logged

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

var noon = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)

func at(t time.Time, sev hit.Severity, dst string) *hit.Hit {
	remote := netip.MustParseAddr(dst)
	return &hit.Hit{
		Kind: hit.New, Severity: sev, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx",
		IOC: netip.PrefixFrom(remote, remote.BitLen()), Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 50000, Dst: remote, DstPort: 443, Proto: 6,
		Count: 1, Bytes: 10, Packets: 1, Start: t, End: t, Time: t, ID: "x-1", Name: "n",
	}
}

func syslogLine(h *hit.Hit) string {
	return string(hit.AppendLine(hit.AppendHeader(nil, h.Time, "gw", 7), h)) + "\n"
}

func jsonLine(t *testing.T, h *hit.Hit) string {
	b, err := hit.AppendLogJSON(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.log")
	write := func(name, text string, when time.Time) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	write(path+".2", syslogLine(at(noon.Add(-50*time.Hour), hit.High, "198.51.100.1")), noon.Add(-50*time.Hour))
	write(path+".1", syslogLine(at(noon.Add(-30*time.Hour), hit.High, "198.51.100.2"))+syslogLine(at(noon.Add(-20*time.Hour), hit.Low, "198.51.100.3")), noon.Add(-20*time.Hour))
	write(path, "Jun  7 12:00:00 gw flowhound[7]: agent status=alive version=1 msg=\"hit kind=new\"\n"+
		jsonLine(t, at(noon.Add(-time.Hour), hit.Critical, "2001:db8:bad::1"))+
		strings.Repeat("x", 3*maxLine)+"\nJun  7 12:00:00 gw flowhound[7]: hit kind=new sev=nothing\n{\"v\":1,\"kind\":\"new\",\"sev\":7}\n"+
		syslogLine(at(noon, hit.High, "198.51.100.4"))+"Jun  7 12:00:00 gw flowhound[7]: hit kind=new sev=hi", noon)
	for _, tt := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "198.51.100.1 198.51.100.2 198.51.100.3 2001:db8:bad::1 198.51.100.4"},
		{Filter{Since: noon.Add(-24 * time.Hour)}, "198.51.100.3 2001:db8:bad::1 198.51.100.4"},
		{Filter{Severity: hit.High, Since: noon.Add(-40 * time.Hour)}, "198.51.100.2 2001:db8:bad::1 198.51.100.4"},
		{Filter{Address: netip.MustParsePrefix("198.51.100.2/31")}, "198.51.100.2 198.51.100.3"},
		{Filter{Feed: "other"}, ""},
		{Filter{Category: "spam"}, ""},
	} {
		var got []string
		bad, err := Read(path, tt.f, func(h *hit.Hit) { got = append(got, h.Dst.String()) })
		if err != nil || bad != 3 || strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %q, %d bad, %v", tt.f, got, bad, err)
		}
	}
	var got []string
	_, err := Read(path, Filter{Address: netip.MustParsePrefix("198.51.100.4/32")}, func(h *hit.Hit) { got = append(got, h.Dst.String()) })
	if err != nil || strings.Join(got, " ") != "198.51.100.4" {
		t.Errorf("of one address: %q, %v", got, err)
	}
	if _, err := Read(path+".none", Filter{}, nil); err == nil {
		t.Error("no log is no error")
	}
}

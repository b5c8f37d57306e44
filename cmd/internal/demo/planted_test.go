package demo

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
)

// records decodes the capture.
func records(t *testing.T) []flow.Record {
	t.Helper()
	r, err := pcap.NewReader(Capture())
	if err != nil {
		t.Fatal(err)
	}
	decoder := netflow.NewDecoder(netflow.Options{})
	var batch flow.Batch
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return batch.Records
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := decoder.Decode(p.Payload, p.Src, p.Time.UnixNano(), &batch); err != nil {
			t.Fatal(err)
		}
	}
}

// indicators reads every feed.
func indicators(t *testing.T) *intel.Set {
	t.Helper()
	var blocks []*intel.Block
	for _, feed := range Feeds() {
		file, err := Assets().Open(feed.Path)
		if err != nil {
			t.Fatal(err)
		}
		template := intel.Indicator{Feed: feed.Name, Category: feed.Category, Score: uint8(feed.Confidence), Ref: feed.Reference, Name: feed.Name}
		builder := intel.NewBuilder(feed.Name)
		emit := func(i *intel.Indicator) ingest.Reason {
			builder.Add(i)
			return ""
		}
		if feed.Type == "otx" {
			_, err = otx.Format{}.Parse(file, ingest.Options{Template: template, Now: time.Now()}, emit)
		} else {
			format := list.Format(feed.Format)
			if feed.Format == "" {
				format = list.Auto
			}
			_, err = list.Reader{Format: format, Column: feed.Column}.Parse(file, ingest.Options{Template: template}, emit)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatalf("feed %s: %v", feed.Name, err)
		}
		blocks = append(blocks, builder.Block())
	}
	return intel.NewSet(blocks...)
}

// TestTimes asserts that flows lie shortly before their export, so that a replay
// on the capture's clock folds them as a router's would be.
func TestTimes(t *testing.T) {
	all := records(t)
	if len(all) < 2000 {
		t.Errorf("%d flow records, want a busy half hour", len(all))
	}
	for _, r := range all {
		// softflowd exports a flow when newer ones push it out: minutes, not hours.
		if r.Start > r.End || r.End > r.Received || r.Received-r.Start > int64(10*time.Minute) {
			t.Fatalf("%s sent at %s a flow of %s to %s", r.Exporter, time.Unix(0, r.Received), time.Unix(0, r.Start), time.Unix(0, r.End))
		}
	}
}

// TestPlanted asserts that each list knows the conversations that were planted
// for it, in the numbers in which they were, and no others.
func TestPlanted(t *testing.T) {
	type talk struct {
		feed     string
		category intel.Category
		proto    uint8
		remote   string
	}
	want := map[talk]int{
		{"c2", intel.C2, 6, "198.51.100.200"}:                 2*27 + 2*3,
		{"c2", intel.C2, 6, "198.51.100.201"}:                 1,
		{"pulses", intel.C2, 6, "2001:db8:bad::c2"}:           2 * 6,
		{"pulses", intel.Malware, 6, "203.0.113.200"}:         2,
		{"botnet", intel.Botnet, 17, "203.0.113.209"}:         2,
		{"botnet", intel.Botnet, 17, "203.0.113.210"}:         2,
		{"botnet", intel.Botnet, 17, "203.0.113.211"}:         2,
		{"phishing", intel.Phishing, 6, "198.51.100.210"}:     2,
		{"scanners", intel.Scanner, 6, "203.0.113.220"}:       254,
		{"scanners", intel.Scanner, 6, "2001:db8:bad:5ca::1"}: 59,
		{"bruteforce", intel.Bruteforce, 6, "203.0.113.230"}:  2 * 45,
		{"spam", intel.Spam, 6, "203.0.113.236"}:              2,
		{"tor-exits", intel.Anonymizer, 6, "198.51.100.220"}:  2,
		{"policy", intel.Policy, 17, "198.51.100.242"}:        2,
		{"watchlist", intel.Other, 1, "203.0.113.240"}:        2,
	}
	set := indicators(t)
	got := make(map[talk]int)
	for _, r := range records(t) {
		for _, remote := range []netip.Addr{r.Src.IP(), r.Dst.IP()} {
			for _, i := range set.LookupAll(remote, time.Now()) {
				got[talk{i.Feed, i.Category, r.Proto, remote.String()}]++
			}
		}
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%v: %d records, want %d", k, got[k], n)
		}
		delete(got, k)
	}
	if len(got) > 0 {
		t.Errorf("not planted: %v", got)
	}
}

// TestDocumentationOnly asserts that the demo blames nobody who exists.
func TestDocumentationOnly(t *testing.T) {
	networks := Local()
	for _, s := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"} {
		networks = append(networks, netip.MustParsePrefix(s))
	}
	for _, r := range records(t) {
		for _, a := range []netip.Addr{r.Src.IP(), r.Dst.IP(), r.Exporter.IP()} {
			known := false
			for _, n := range networks {
				known = known || n.Contains(a)
			}
			if !known {
				t.Errorf("%s is somebody's address", a)
			}
		}
	}
}

// TestPulseReference asserts that a hit on a pulse leads to its page.
func TestPulseReference(t *testing.T) {
	found := indicators(t).Lookup(netip.MustParseAddr("2001:db8:bad::c2"), time.Now())
	if len(found) != 1 || found[0].Ref != "https://otx.alienvault.com/pulse/6740d1a0f3b52c0e9a41c001" || found[0].Name != "Grey Heron loader: controllers over IPv6" {
		t.Errorf("got %+v", found)
	}
}

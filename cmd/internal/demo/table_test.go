package demo

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowhound/flowhound/plugin/hit"
)

var update = flag.Bool("update", false, "write the golden file anew")

func pair(id string, s hit.Severity, d hit.Direction, local, remote, feed, ref, name string, count, bytes uint64) *hit.Hit {
	h := &hit.Hit{
		Kind: hit.New, ID: id, Severity: s, Direction: d, State: hit.Established, Feed: feed, Ref: ref, Name: name,
		Local: netip.MustParseAddr(local), Remote: netip.MustParseAddr(remote), Count: count, Bytes: bytes,
	}
	h.Src, h.Dst = h.Local, h.Remote
	if d == hit.Inbound {
		h.Src, h.Dst = h.Remote, h.Local
	}
	return h
}

func TestTableGolden(t *testing.T) {
	const pulse = "https://otx.alienvault.com/pulse/6740d1a0f3b52c0e9a41c001"
	var table Table
	add := table.Add
	add(pair("s1-1", hit.Low, hit.Inbound, "10.2.0.22", "203.0.113.230", "bruteforce", "", "", 7, 999))
	add(pair("s2-1", hit.Critical, hit.Outbound, "10.1.4.23", "198.51.100.200", "c2", "https://intel.example/lists/c2", "c2", 1, 1400))
	add(pair("s2-2", hit.Critical, hit.Outbound, "10.1.4.23", "198.51.100.200", "c2", "https://intel.example/lists/c2", "c2", 25, 48_600))
	add(pair("s3-1", hit.Critical, hit.Outbound, "2001:db8:1:4::17", "2001:db8:bad::c2", "pulses", pulse,
		"A pulse whose author could not stop naming it and so it is cut where the line ends", 6, 12_999_999))
	// Two hosts, one reason: the reference is told once.
	add(pair("s4-1", hit.Critical, hit.Outbound, "10.1.12.31", "198.51.100.200", "c2", "https://intel.example/lists/c2", "c2", 3, 4000))
	// One sweep in two lines whose busiest targets differ: one row.
	for i, target := range []string{"10.2.0.7", "10.2.0.9"} {
		sweep := pair("s5-"+string(rune('1'+i)), hit.Info, hit.Inbound, target, "203.0.113.220", "scanners", "", "Sweepers", 120, 4800)
		sweep.State, sweep.Sources, sweep.Targets = hit.Attempt, 3, 100+i
		add(sweep)
	}

	var b bytes.Buffer
	if err := table.Print(&b); err != nil {
		t.Fatal(err)
	}
	if err := table.PrintSummary(&b, 3170, 5); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	const golden = "testdata/table.golden"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", b.Bytes(), want)
	}
}

func TestTableEmpty(t *testing.T) {
	var table Table
	var b bytes.Buffer
	if err := errors.Join(table.Print(&b), table.PrintSummary(&b, 12, 1)); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "flows read: 12, from 1 exporter, hits: 0, in 0 lines\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A reference is for clicking: it stays whole however long it is.
func TestLongReference(t *testing.T) {
	ref := "https://intel.example/" + strings.Repeat("x", 2*width)
	var table Table
	table.Add(pair("s1-1", hit.High, hit.Outbound, "10.1.0.1", "198.51.100.1", "c2", ref, "Name", 1, 1))
	var b bytes.Buffer
	if err := table.Print(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), ref+"\n") {
		t.Errorf("the reference is cut:\n%s", b.String())
	}
}

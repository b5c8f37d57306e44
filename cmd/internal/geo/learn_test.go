package geo

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

const day = int64(24 * time.Hour)

var home = Config{Sites: []Site{
	{Name: "home", Country: NewCountry("NO"), Inside: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}},
	{Name: "given", Country: NewCountry("SE"), Inside: []netip.Prefix{netip.MustParsePrefix("10.30.0.0/16")}, Outside: []Outside{{Net: netip.MustParsePrefix("8.8.4.4/32")}}},
}}

// started starts a Part that keeps its journal in dir.
func started(t *testing.T, c Config, dir string) (p *Part, said *[]string) {
	t.Helper()
	said = &[]string{}
	p, err := New(c, Dependencies{Path: filepath.Join(dir, "sites"), Report: func(_, msg string) { *said = append(*said, msg) }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p, said
}

// natted is a flow from inside that is seen at outside.
func natted(inside, outside string, at int64) flow.Record {
	return flow.Record{Src: addr(inside), NATSrc: addr(outside), Dst: addr("9.9.9.9"), Start: at, Received: at, Has: flow.HasNATSrc | flow.HasStart}
}

func batch(n int, r flow.Record) *flow.Batch {
	b := &flow.Batch{}
	for range n {
		b.Records = append(b.Records, r)
	}
	return b
}

// awaitCountry waits until an address is somewhere.
func awaitCountry(t *testing.T, p *Part, ip string, at int64, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); p.View().Country(addr(ip), at).String() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is %s, want %s", ip, p.View().Country(addr(ip), at), want)
		}
	}
}

func TestLearn(t *testing.T) {
	dir := t.TempDir()
	p, _ := started(t, home, dir)
	s := p.NewSink()
	s.Flows(batch(2, natted("10.20.1.1", "8.8.8.7", day)))
	s.Flows(batch(3, natted("10.30.1.1", "8.8.8.50", day)))   // a site whose addresses are given
	s.Flows(batch(3, natted("10.40.1.1", "8.8.8.51", day)))   // nobody's
	s.Flows(batch(3, natted("10.20.1.1", "100.64.1.1", day))) // behind the provider's own translation
	s.Flows(batch(3, natted("10.20.1.1", "10.20.1.2", day)))  // inside
	s.Flows(batch(3, flow.Record{Src: addr("9.9.9.9"), Dst: addr("8.8.8.60"), NATDst: addr("10.20.1.1"), Received: day, Has: flow.HasNATDst}))
	awaitCountry(t, p, "8.8.8.60", day, "NO") // the other direction, and all before was looked at
	for _, ip := range []string{"8.8.8.7", "8.8.8.50", "8.8.8.51"} {
		if c := p.View().Country(addr(ip), day).String(); c != "US" {
			t.Errorf("%s is %s", ip, c)
		}
	}
	s.Flows(batch(1, natted("10.20.1.1", "8.8.8.7", day))) // the third time
	awaitCountry(t, p, "8.8.8.7", day, "NO")
	if at := p.View().Place(addr("8.8.8.7"), day); at.Site != "home" {
		t.Errorf("%+v", at)
	}
	if c := p.View().Country(addr("8.8.8.7"), day-1).String(); c != "US" {
		t.Errorf("before it was seen: %s", c)
	}
	// The next address, after the first was gone.
	s.Flows(batch(3, natted("10.20.1.1", "8.8.8.99", 3*day)))
	awaitCountry(t, p, "8.8.8.99", 3*day, "NO")
	for at, want := range map[int64]string{2 * day: "NO", 3 * day: "US", 9 * day: "US"} {
		if c := p.View().Country(addr("8.8.8.7"), at).String(); c != want {
			t.Errorf("8.8.8.7 on day %d: %s, want %s", at/day, c, want)
		}
	}
	// It outlives a restart, and a journal that was torn and damaged.
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sites")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content = append(content, content[len(content)-7:]...)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	p, said := started(t, home, dir)
	if len(*said) != 1 || !strings.Contains((*said)[0], "7 bytes were damaged") {
		t.Errorf("%q", *said)
	}
	awaitCountry(t, p, "8.8.8.99", 9*day, "NO")
	awaitCountry(t, p, "8.8.8.7", 2*day, "NO")
	awaitCountry(t, p, "8.8.8.7", 9*day, "US")
}

// TestReplayLearns: without a journal and a clock, what a capture tells holds at once.
func TestReplayLearns(t *testing.T) {
	p, err := Open(home, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewReplaySink()
	s.Flows(batch(3, natted("10.20.1.1", "8.8.8.7", day)))
	h := hit.Hit{Src: netip.MustParseAddr("8.8.8.7"), Dst: netip.MustParseAddr("9.9.9.9"), Remote: netip.MustParseAddr("9.9.9.9"), Start: time.Unix(0, day)}
	if p.Locate(&h); h.SrcPlace.Country != "NO" || h.SrcPlace.Site != "home" {
		t.Errorf("%+v", h.SrcPlace)
	}
}

func TestMemory(t *testing.T) {
	m, _, err := openMemory("")
	if err != nil {
		t.Fatal(err)
	}
	ip := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{8, 8, byte(n >> 8), byte(n)}) }
	see := func(n int, at int64) {
		t.Helper()
		if _, err := m.add("home", ip(n), at); err != nil {
			t.Fatal(err)
		}
	}
	span := func(n int) (from, to int64) {
		for _, l := range m.learned() {
			if l.Addr == ip(n) {
				return l.From, l.To
			}
		}
		return 0, 0
	}
	// Two lines side by side: both hold, until one is not seen for a day.
	see(1, 0)
	see(2, day/2)
	see(1, day)
	see(2, day+1)
	if _, to := span(1); to != math.MaxInt64 {
		t.Errorf("the first ends at %d", to)
	}
	see(2, 3*day)
	if from, to := span(1); from != 0 || to != 2*day {
		t.Errorf("the first holds from %d to %d", from, to)
	}
	if from, to := span(2); from != day/2 || to != math.MaxInt64 {
		t.Errorf("the second holds from %d to %d", from, to)
	}

	// A flood of addresses does not push out those that were seen of late, and the table
	// stays bounded.
	for n := 3; n < 2000; n++ {
		see(n, 3*day+int64(n))
	}
	if len(m.seen) > maxSightings || m.rejected == 0 {
		t.Errorf("%d addresses, %d rejected", len(m.seen), m.rejected)
	}
	if _, to := span(2); to == 0 {
		t.Error("the one that was there is gone")
	}
	see(5000, 30*day) // time goes on: the oldest gives way
	see(5001, 30*day)
	if len(m.seen) > maxSightings {
		t.Errorf("%d addresses", len(m.seen))
	}
}

// TestSinkDoesNotAllocate: it runs on the path of every flow.
func TestSinkDoesNotAllocate(t *testing.T) {
	p, err := Open(home, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSink()
	b := &flow.Batch{}
	for i := range 64 {
		b.Records = append(b.Records, natted(fmt.Sprintf("10.20.1.%d", i), fmt.Sprintf("8.8.8.%d", i), day))
	}
	if n := testing.AllocsPerRun(100, func() { s.Flows(b) }); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func BenchmarkSink(b *testing.B) {
	p, err := Open(home, "", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	s := p.NewSink()
	x := batch(30, natted("10.20.1.1", "8.8.8.7", day))
	for b.Loop() {
		s.Flows(x)
	}
}

func TestDatabaseIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "places.csv")
	write := func(text string) {
		t.Helper()
		next := filepath.Join(dir, "next")
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	p, said := started(t, Config{Database: path}, dir)
	if len(*said) != 1 || !strings.Contains((*said)[0], "places.csv") {
		t.Errorf("a database that is not there: %q", *said)
	}
	var l finding.List
	if p.Findings(&l); len(l) != 1 || l[0].Level != finding.Warn {
		t.Errorf("%v", l)
	}
	awaitCountry(t, p, "8.8.8.8", 0, "US")
	write("0.0.0.0/0,JP\n8.8.8.0/24,SE\n198.51.100.0/24,NL\n10.1.0.0/16,NO\n")
	awaitCountry(t, p, "8.8.8.8", 0, "SE")
	for ip, want := range map[string]string{"198.51.100.7": "NL", "203.0.113.7": "--", "10.1.2.3": "NO", "10.2.2.3": "private", "224.0.0.5": "multicast", "193.0.6.139": "JP", "2001:700:100::1": "NO"} {
		awaitCountry(t, p, ip, 0, want)
	}
	write("8.8.8.0/24,Sweden\n") // bad: the old one stays
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if l = nil; true {
			p.Findings(&l)
		}
		if len(l) == 1 && strings.Contains(l[0].What, "not a country code") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v", l)
		}
	}
	awaitCountry(t, p, "8.8.8.8", 0, "SE")
	write("8.8.8.0/24,FI\n")
	awaitCountry(t, p, "8.8.8.8", 0, "FI")

	if err := p.Apply(t.Context(), Config{Database: filepath.Join(dir, "none.csv")}); err == nil {
		t.Error("a reload with a database that is not there")
	}
	awaitCountry(t, p, "8.8.8.8", 0, "FI")
	if err := p.Apply(t.Context(), Config{Overrides: []Override{{Net: netip.MustParsePrefix("8.8.8.8/32"), Country: NewCountry("DK")}}}); err != nil {
		t.Fatal(err)
	}
	awaitCountry(t, p, "8.8.8.8", 0, "DK")
	awaitCountry(t, p, "8.8.8.9", 0, "US")
}

// A command says where a learned address is, as the agent does, beside the agent and
// without changing its journal.
func TestOpenKnowsWhatWasLearned(t *testing.T) {
	dir := t.TempDir()
	p, _ := started(t, home, dir)
	at := time.Now().UnixNano()
	p.NewSink().Flows(batch(500, natted("10.20.0.7", "8.8.8.8", at)))
	awaitCountry(t, p, "8.8.8.8", at, "NO")
	before, err := os.ReadFile(filepath.Join(dir, JournalName))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(dir, JournalName): "NO home", filepath.Join(dir, "none"): "US ", "": "US "} {
		asked, err := Open(home, path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if place := asked.View().Place(addr("8.8.8.8"), at); place.Country.String()+" "+place.Site != want {
			t.Errorf("journal %q: %s %s, want %s", path, place.Country, place.Site, want)
		}
	}
	if after, err := os.ReadFile(filepath.Join(dir, JournalName)); err != nil || string(after) != string(before) {
		t.Errorf("the journal has changed: %v", err)
	}
}

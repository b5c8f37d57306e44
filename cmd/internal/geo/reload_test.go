package geo

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// TestReplacedDatabase replaces the operator's database below a running part, as people
// do: by renaming, by writing into it, with what is no database, by removing it. A bad
// one is said, and the old answers stay.
func TestReplacedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.mmdb")
	of := func(cc string) []byte {
		m := &mmdb{}
		m.add("8.8.8.0/24", dict("country", dict("iso_code", str(cc))))
		return m.bytes()
	}
	write := func(to string, b []byte) {
		t.Helper()
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, of("NO"))
	var mu sync.Mutex
	var said []string
	p, err := New(Config{Database: path}, Dependencies{Log: slog.New(slog.DiscardHandler), Report: func(status, msg string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, status+" "+msg)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	await := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the country is %s", what, p.View().Country(addr("8.8.8.8"), 0))
			}
		}
	}
	newest := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(said[max(0, len(said)-1):], "")
	}
	says := func(text string) func() bool { return func() bool { return strings.Contains(newest(), text) } }
	country := func(want string) func() bool {
		return func() bool { return p.View().Country(addr("8.8.8.8"), 0).String() == want }
	}
	await("at the start", country("NO"))

	write(path+".new", of("SE"))
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	await("renamed", country("SE"))
	for what, b := range map[string][]byte{"cut off": of("FI")[:100], "no database": []byte("<html>log in first</html>\n")} {
		write(path, b)
		await(what, says("error geo: "))
		if got := newest(); !strings.Contains(got, "own.mmdb") || !country("SE")() || !strings.HasPrefix(got, "error geo: ") || !strings.HasSuffix(got, "; the old version stays") {
			t.Errorf("%s: %q", what, got)
		}
		var l finding.List
		if p.Findings(&l); len(l) != 1 || l[0].Level != finding.Warn || !strings.Contains(l[0].What, "own.mmdb") {
			t.Errorf("%s: %+v", what, l)
		}
		write(path, of("SE"))
		await(what+", repaired", says("reloaded geo: the databases can be read again; countries are of own.mmdb"))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await("removed", says("no such file"))
	if !country("SE")() {
		t.Error("the old version is gone with its file")
	}
	write(path, of("DK"))
	await("back", country("DK"))
	var l finding.List
	if p.Findings(&l); len(l) != 0 {
		t.Errorf("in the end: %+v", l)
	}
}

// TestNeighboursAreOneRange asserts that ranges of one country are joined, but for those of
// what no database may speak of unless it names just that.
func TestNeighboursAreOneRange(t *testing.T) {
	m := &mmdb{}
	norway := dict("country", dict("iso_code", str("NO")))
	for _, n := range []string{"8.8.8.0/24", "8.8.9.0/25", "9.0.0.0/8", "10.0.0.0/8", "11.0.0.0/8", "2001:700::/32", "2001:701::/32"} {
		m.add(n, norway)
	}
	m.add("8.8.9.128/25", dict("country", dict("iso_code", str("SE"))))
	d, err := ReadMMDB(m.bytes())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range d.Countries {
		got = append(got, r.First.String()+"-"+r.Last.String()+" "+r.Value.String())
	}
	want := "8.8.8.0-8.8.9.127 NO, 8.8.9.128-8.8.9.255 SE, 9.0.0.0-9.255.255.255 NO, 10.0.0.0-10.255.255.255 NO, 11.0.0.0-11.255.255.255 NO, 2001:700::-2001:701:ffff:ffff:ffff:ffff:ffff:ffff NO"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// TestDatabaseIsNotKept asserts that what a table was made from is free once it is made.
func TestDatabaseIsNotKept(t *testing.T) {
	ranges := make([]byte, 1<<20)
	kept := weak.Make(&ranges[0])
	table := whenAsked(func() *int { n := len(ranges); return &n })
	if *table.get() != 1<<20 {
		t.Fatal("not made")
	}
	runtime.GC()
	if kept.Value() != nil {
		t.Error("still held")
	}
	runtime.KeepAlive(table)
}

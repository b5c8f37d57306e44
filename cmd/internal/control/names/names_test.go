package names

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/plugin/hit"
)

// TestNamesOfTheAgent asserts that a hit's own address gets the name that the agent knows,
// once asked for each address, and none where the hit is old, has one, or nobody answers.
func TestNamesOfTheAgent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	s, err := control.Listen(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for path, h := range Handlers(func(a netip.Addr) string {
		asked++
		return map[string]string{"10.1.1.1": "ws-one.office.example"}[a.String()]
	}) {
		s.Handle(path, h)
	}
	s.Serve()
	own, remote := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("198.51.100.7")
	made := func(age time.Duration, src, dst netip.Addr, host string) *hit.Hit {
		return &hit.Hit{Time: time.Now().Add(-age), Src: src, Dst: dst, Local: own, Remote: remote, SrcPlace: hit.Place{Host: host}}
	}
	a := NewAsker(dir)
	a.wait = time.Minute // a busy machine
	for what, c := range map[string]struct {
		h        *hit.Hit
		src, dst string
	}{
		"outbound": {made(0, own, remote, ""), "ws-one.office.example", ""},
		"inbound":  {made(0, remote, own, ""), "", "ws-one.office.example"},
		"named":    {made(0, own, remote, "by-a-file"), "by-a-file", ""},
		"old":      {made(25*time.Hour, own, remote, ""), "", ""},
	} {
		a.Locate(t.Context(), c.h)
		if c.h.SrcPlace.Host != c.src || c.h.DstPlace.Host != c.dst {
			t.Errorf("%s: %q and %q", what, c.h.SrcPlace.Host, c.h.DstPlace.Host)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	h := made(0, own, remote, "")
	if NewAsker(dir).Locate(t.Context(), h); h.SrcPlace.Host != "" {
		t.Errorf("without an agent: %q", h.SrcPlace.Host)
	}
}

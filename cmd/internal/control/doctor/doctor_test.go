package doctor

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// What the agent finds crosses its socket as it is, asked again each time.
func TestAsk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Ask(t.Context(), dir); !errors.Is(err, control.ErrNoAgent) {
		t.Errorf("without an agent: %v", err)
	}
	s, err := control.Listen(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	var found finding.List
	for path, h := range Handlers(func() finding.List { return found }) {
		s.Handle(path, h)
	}
	s.Serve()
	for range 3 {
		got, err := Ask(t.Context(), dir)
		if err != nil || !slices.Equal(got, found) {
			t.Errorf("%+v, %v, want %+v", got, err, found)
		}
		found.OK("all is well")
		found.Warn("flowhound check", "%d%% of flows have neither side in networks.local", 73)
		found.Bad("systemctl start flowhound", "a text with \"quotes\"\nand lines")
	}
}

package host

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// buildThirdParty builds the output that stands in the SDK's README, as its reader
// would: in a module of its own outside of this tree.
func buildThirdParty(t *testing.T) (dir string) {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(readme), "```go\n")
	code, _, ends := strings.Cut(rest, "```\n")
	if !begins || !ends {
		t.Fatal("the README has no program")
	}
	tree, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(tree, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	module := t.TempDir()
	for name, content := range map[string]string{
		"main.go": code,
		"go.mod":  fmt.Sprintf("module example.com/appender\n\ngo 1.26.0\n\nrequire github.com/flowhound/flowhound v0.0.0\n\nreplace github.com/flowhound/flowhound => %s\n", tree),
		"go.sum":  string(sums),
	} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir = t.TempDir()
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, prefix+"appender"), ".")
	build.Dir = module
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// maxIdle is how much memory an idle plugin may take.
const maxIdle = 25 << 20

func TestThirdPartyPlugin(t *testing.T) {
	t.Parallel()
	peer.Long(t) // it builds a program
	o, _ := options(t, "good", nil)
	o.Dir, o.Type = buildThirdParty(t), "appender"
	r, err := Check(t.Context(), Options{Name: "mine", Type: o.Type, Dir: o.Dir})
	if err != nil || len(r.Problems) != 1 || r.Problems[0].Error() != "path: is missing" || r.CanSetup {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := Setup(t.Context(), Options{Name: "mine", Type: o.Type, Dir: o.Dir, Settings: o.Settings}); err == nil || err.Error() != "output mine: outputs of type appender have nothing to set up" {
		t.Errorf("%v", err)
	}
	hitsPath := filepath.Join(t.TempDir(), "hits")
	o.Settings, err = json.Marshal(map[string]any{"path": hitsPath})
	if err != nil {
		t.Fatal(err)
	}
	p := runPlugin(t, o)
	ready(t, p)
	idle := until(t, p, "measured", func(s State) bool { return s.Memory > 0 })
	t.Logf("an idle plugin takes %.1f MiB", float64(idle.Memory)/(1<<20))
	if idle.Memory > maxIdle {
		t.Errorf("an idle plugin takes %d bytes, more than %d", idle.Memory, maxIdle)
	}
	want := plugintest.Hits(250)
	for i := 0; i < len(want); i += 50 {
		if err := p.Write(t.Context(), want[i:i+50]); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(notesOf(t, hitsPath)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d hits arrived", len(lines))
	}
	for i, line := range lines {
		var got plugin.Hit
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.ID != want[i].ID {
			t.Fatalf("line %d: %v, %s", i, err, line)
		}
	}
}

// BenchmarkWrite hands batches to a process and waits for its answer.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			self, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			run, err := os.MkdirTemp("", "fh")
			if err != nil {
				b.Fatal(err)
			}
			defer os.RemoveAll(run)
			if err := os.Chmod(dir, 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.Link(self, filepath.Join(dir, prefix+"good")); err != nil {
				b.Skip(err)
			}
			p := New(Options{Name: "mine", Type: "good", Dir: dir, RunDir: run})
			p.Start()
			defer func() { _ = p.Stop(b.Context()) }()
			for !p.State().Ready {
				<-p.Changed()
			}
			hits := plugintest.Hits(n)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Write(b.Context(), hits); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "hits/s")
		})
	}
}

package plugintest

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
	"github.com/flowhound/flowhound/plugin/text"
)

// Suite is what Run needs to know of an output.
type Suite struct {
	// New returns a new Output with its defaults, as main gives it to plugin.Serve.
	New func() plugin.Output

	// Settings is a JSON object with which the output delivers: to a server that the
	// test has started, say. It may be opened several times.
	Settings string

	// Broken are further settings, with which Open or Write fails: a target that
	// is down, one that rejects. What they say is searched for Secrets.
	Broken []string

	// Secrets stand in Settings, Broken or files that they name, and must be seen in
	// no error and no log.
	Secrets []string
}

// bigBatch is more than a queue sends at once.
const bigBatch = 1000

// Run tests that an output keeps the contract of plugin.Output, in subtests. It
// does not know what a delivered hit looks like: that is for tests of its own.
// While it runs, slog.Default is its own, so tests do not run in parallel with it.
func Run(t *testing.T, s Suite) {
	t.Run("settings", s.settings)
	t.Run("delivers", s.delivers)
	t.Run("cancelled", s.cancelled)
	t.Run("hits are only read", s.readOnly)
	t.Run("secrets", s.secrets)
}

func (s Suite) settings(t *testing.T) {
	if problems := Dial(t, s.New()).Configure(t, s.Settings); len(problems) > 0 {
		t.Errorf("the settings are fine, but: %v", problems)
	}
	if problems := Dial(t, s.New()).Configure(t, `{"no_such_setting": 1}`); len(problems) == 0 || problems[0].Key != "no_such_setting" {
		t.Errorf("an unknown setting: %v", problems)
	}
	if a, b := s.New(), s.New(); reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() && reflect.TypeOf(a).Elem().Size() > 0 {
		t.Error("New returns the same Output again")
	}
}

func (s Suite) delivers(t *testing.T) {
	c := Open(t, s.New(), s.Settings)
	for _, n := range []int{1, 0, 10, bigBatch} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := c.Write(ctx, Hits(n))
		cancel()
		if err != nil {
			t.Errorf("a batch of %d: %v", n, err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (s Suite) cancelled(t *testing.T) {
	c := Open(t, s.New(), s.Settings)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Write(ctx, Hits(10))                                           // what it says is its own affair
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond) // enough to get there on a busy machine
	defer cancel()
	began := time.Now()
	_ = c.Write(ctx, Hits(bigBatch))
	if d := time.Since(began); d > callTime/2 {
		t.Errorf("Write returned %v after its deadline: flowhound would take it for hung", d)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Write(ctx, Hits(1)); err != nil {
		t.Errorf("the next batch: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// readOnly writes without the wire, which copies hits.
func (s Suite) readOnly(t *testing.T) {
	out := s.New()
	if problems := plugin.Configure(out, []byte(s.Settings)); len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := out.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	hits := Hits(20)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := out.Write(ctx, hits)
	if !reflect.DeepEqual(hits, Hits(20)) {
		t.Error("Write changed the hits")
	}
	var partial *plugin.PartialError
	if errors.As(err, &partial) && len(partial.Errs) != len(hits) {
		t.Errorf("Write returned %d results for %d hits", len(partial.Errs), len(hits))
	}
	if err := out.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// secrets looks for them in all that the output says.
func (s Suite) secrets(t *testing.T) {
	var said buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(was) })
	for _, settings := range append([]string{s.Settings}, s.Broken...) {
		c := Dial(t, s.New())
		s.areSecret(t, c, settings)
		said.add(c.Open(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), callTime)
		said.add(c.Write(ctx, Hits(2)))
		cancel()
		said.add(c.Close(t.Context()))
	}
	for _, secret := range s.Secrets {
		if text := said.String(); strings.Contains(text, secret) {
			t.Errorf("the secret %q is in what it says:\n%s", secret, text)
		}
	}
}

// areSecret checks that secrets in the settings are of type plugin.Secret.
func (s Suite) areSecret(t *testing.T, c *Conn, settings string) {
	t.Helper()
	conf, err := c.configure(t, settings)
	if err != nil || len(conf.Problems) > 0 {
		t.Fatalf("settings %s: %v %v", settings, conf.Problems, err)
	}
	var known text.Redactor
	known.Learn(text.SecretsIn([]byte(settings), conf.Secrets))
	for _, secret := range s.Secrets {
		if strings.Contains(known.Redact(settings), secret) {
			t.Errorf("%q is in a setting that is not a plugin.Secret", secret)
		}
	}
}

// buffer holds what was said.
type buffer struct{ peer.Log }

func (b *buffer) add(err error) {
	if err != nil {
		_, _ = b.Write([]byte(err.Error() + "\n"))
	}
}

package plugintest_test

import (
	"context"
	"testing"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

// counter is an output that counts.
type counter struct{ n int }

func (c *counter) Open(context.Context) error                       { return nil }
func (c *counter) Write(_ context.Context, hits []plugin.Hit) error { c.n += len(hits); return nil }
func (c *counter) Close(context.Context) error                      { return nil }

// An output's own test hands Run a Suite: it checks the contract over the wire.
func Example() {
	TestContract := func(t *testing.T) {
		plugintest.Run(t, plugintest.Suite{New: func() plugin.Output { return new(counter) }, Settings: `{}`})
	}
	_ = TestContract
}

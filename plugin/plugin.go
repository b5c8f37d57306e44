// Package plugin is what the author of an output imports: Output, which delivers
// hits somewhere, the errors that say whether a hit that could not be delivered is
// retried, and Hit itself. An output is a program of its own that flowhound
// starts; the protocol between the two is in packages below.
//
// The program is named flowhound-output-<type>, and its main calls Serve with a
// pointer to a struct that is both the Output and its settings:
//
//	type out struct {
//		URL plugin.Secret `json:"url" validate:"required,http_url"`
//	}
//
//	func (o *out) Open(context.Context) error                        { ... }
//	func (o *out) Write(ctx context.Context, hits []plugin.Hit) error { ... }
//	func (o *out) Close(context.Context) error                       { ... }
//
//	func main() { plugin.Serve(&out{}) }
//
// flowhound keeps every hit until Write has reported its result: see Permanent,
// RetryAfter and Partial. Log with slog. The example below is complete; the README
// has the contract, and package plugintest tests an output.
package plugin

import (
	"context"

	"github.com/flowhound/flowhound/plugin/hit"
)

// Hit is one event to deliver.
type Hit = hit.Hit

// Output delivers hits somewhere. It is a pointer to a struct that is also the
// output's settings: its exported fields, by their json tags, are the keys under
// settings in the configuration, and their validate tags are checked before Open is
// called. Methods are never called concurrently.
type Output interface {
	// Open prepares for delivering. An error is logged, and Open is called again
	// later; it should not wait long for a target that is down.
	Open(ctx context.Context) error

	// Write delivers hits, in order, before ctx ends. nil says that all of them
	// have arrived. A plain error says that none has, and all are written again
	// later; Permanent, RetryAfter and Partial say more. A hit may be written
	// twice, after a crash or when an answer was lost; its ID is the same.
	Write(ctx context.Context, hits []Hit) error

	// Close ends what Open began. No call follows it.
	Close(ctx context.Context) error
}

// Setuper is an Output that can prepare its target once, for the command
// "flowhound output setup": install templates, create what must be there. It is
// called without Open, and again whenever a person asks.
type Setuper interface {
	Setup(ctx context.Context) error
}

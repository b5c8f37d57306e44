package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/known"
)

// wanted is what a hunt by hand is asked to look for.
type wanted struct {
	feed, category, since string

	targets []intel.Indicator // addresses and networks that were named
	lists   []string          // files that were named
	pulses  []string
	listed  time.Time // of --listed-since
}

// asked is the name of the feed that stands for the command line.
const asked = "command line"

const (
	pulseDigits = 24 // of the id of an OTX pulse
	hexDigits   = "0123456789abcdef"
)

// pulseOf returns the id in the address of a pulse's page, as lines refer to it; else what
// was given.
func pulseOf(arg string) string {
	arg = strings.ToLower(arg)
	if _, id, ok := strings.Cut(arg, "/pulse/"); ok && strings.HasPrefix(arg, "http") {
		arg, _, _ = strings.Cut(id, "/")
	}
	return arg
}

// notPulse says what is wrong with a word that was meant as the id of a pulse: a long one
// of letters and digits, nearly all of them hexadecimal; "" where it is something else.
func notPulse(word string) string {
	id := pulseOf(word)
	if n := len(id); n < pulseDigits-4 || n > pulseDigits+4 || strings.Trim(id, hexDigits+"ghijklmnopqrstuvwxyz") != "" || !strings.ContainsAny(id, hexDigits[:10]) {
		return ""
	}
	wrong := strings.Join(strings.FieldsFunc(id, func(r rune) bool { return strings.ContainsRune(hexDigits, r) }), "")
	switch {
	case len(wrong) > 4:
		return ""
	case wrong != "":
		return fmt.Sprintf("%q is not the id of a pulse: %q is not one of %s", word, wrong[:1], hexDigits)
	}
	return fmt.Sprintf("%q is not the id of a pulse: it has %d digits, and an id has %d", word, len(id), pulseDigits)
}

// read takes the targets from the front of the arguments; what is none begins the
// expression, which it returns.
func (w *wanted) read(args []string, now time.Time) (expression []string, err error) {
	for n, arg := range args {
		if !w.target(arg) {
			expression = args[n:]
			break
		}
	}
	if len(expression) > 0 {
		if why := notPulse(expression[0]); why != "" {
			return nil, errors.New(why)
		}
		var i intel.Indicator
		if word := expression[0]; len(expression) == 1 && ingest.Parse(word, &i) != ingest.Unreadable && strings.Contains(word, ".") && !strings.ContainsAny(word, " <>=") {
			return nil, fmt.Errorf("%q is not an address: flows have addresses and no names; flowhound lookup %s shows its indicators", word, word)
		}
	}
	named := len(w.targets)+len(w.lists) > 0
	switch {
	case named && len(w.pulses) > 0:
		return nil, errors.New("name addresses and lists, or pulses, not both")
	case named && (w.feed != "" || w.category != "" || w.since != ""):
		return nil, errors.New("--feed, --category and --listed-since choose indicators of the feeds; they have no effect on addresses and lists that you name")
	}
	if w.category != "" {
		var c intel.Category
		if err := c.UnmarshalText([]byte(w.category)); err != nil {
			return nil, fmt.Errorf("--category: %w", err)
		}
	}
	if w.since != "" {
		if w.listed, err = time.Parse(time.RFC3339, w.since); err != nil {
			return nil, fmt.Errorf("--listed-since: %q is not a time such as %s", w.since, now.UTC().Format(time.RFC3339))
		}
	}
	return expression, nil
}

// target takes an argument that is an address, a network, a list or a pulse's id.
func (w *wanted) target(arg string) bool {
	if name, ok := strings.CutPrefix(arg, "@"); ok {
		w.lists = append(w.lists, name)
		return true
	}
	if id := pulseOf(arg); len(id) == pulseDigits && strings.Trim(id, hexDigits) == "" {
		w.pulses = append(w.pulses, id)
		return true
	}
	var i intel.Indicator
	if why := ingest.Parse(arg, &i); why == ingest.Unreadable || !i.Prefix.IsValid() || strings.ContainsAny(arg, " <>=") {
		return false
	}
	w.targets = append(w.targets, intel.Indicator{Prefix: i.Prefix, Score: intel.DefaultConfidence})
	return true
}

// indicators returns what is hunted for: as a set, by which finds are classified, and as the
// addresses that are looked for.
func (w *wanted) indicators(cmd *cobra.Command, cfg *config.Config) (*intel.Set, []flow.Range, error) {
	now := time.Now()
	if len(w.targets)+len(w.lists) > 0 {
		set, err := w.named(cmd)
		if err != nil {
			return nil, nil, err
		}
		return set, hunt.RangesOf(set, now, nil), nil
	}
	set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
	if err != nil {
		return nil, nil, err
	}
	ranges := hunt.RangesOf(set, now, w.accepts)
	if !w.listed.IsZero() {
		since, err := hunt.ListedSince(cfg.HuntedPath(), w.listed)
		if err != nil {
			return nil, nil, err
		}
		ranges = hunt.Common(ranges, since)
	}
	return set, ranges, nil
}

// named makes a set of what was named.
func (w *wanted) named(cmd *cobra.Command) (*intel.Set, error) {
	var sets []*intel.Set
	if len(w.targets) > 0 {
		b := intel.NewBuilder(asked)
		for _, i := range w.targets {
			b.Add(&i)
		}
		sets = append(sets, intel.NewSet(b.Block()))
	}
	for _, name := range w.lists {
		if _, err := os.Stat(name); err != nil {
			return nil, usageError(err)
		}
		cfg, err := config.OfLists([]string{name})
		if err != nil {
			return nil, usageError(err)
		}
		cfg.KnownGood.Disable = []string{known.Shared, known.Scanners} // whose an address is is not asked
		set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
		if err != nil {
			return nil, err
		}
		set.Named(name)
		sets = append(sets, set)
	}
	return intel.Union(sets...), nil
}

// chosen returns which indicators finds are judged by; nil: all.
func (w *wanted) chosen() func(*intel.Indicator) bool {
	if w.feed == "" && w.category == "" && len(w.pulses) == 0 {
		return nil
	}
	return w.accepts
}

// accepts reports whether an indicator of the feeds is hunted for.
func (w *wanted) accepts(i *intel.Indicator) bool {
	if w.feed != "" && i.Feed != w.feed || w.category != "" && i.Category.String() != w.category {
		return false
	}
	if len(w.pulses) == 0 {
		return true
	}
	for _, id := range w.pulses {
		if strings.Contains(strings.ToLower(i.Ref), id) {
			return true
		}
	}
	return false
}

// nothing says why there is nothing to hunt for.
func (w *wanted) nothing() string {
	switch {
	case len(w.pulses) > 0:
		return "no live indicator of the feeds comes from that pulse"
	case len(w.lists) > 0:
		return "the list holds no address"
	case w.feed != "" || w.category != "" || w.since != "":
		return "no live indicator is of that feed, category and time"
	}
	return "no live indicator is an address: see flowhound feed list"
}

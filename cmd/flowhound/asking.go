package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	ask "github.com/flowhound/flowhound/cmd/internal/history/query" // lookup.go has a type query
	"github.com/flowhound/flowhound/plugin/text"
)

// asking is what the commands that ask the history have in common: which history, which
// time, which flows.
type asking struct {
	path, dir   string // dir is the folder of the history once it is open
	start, end  string
	last        time.Duration
	utc, raw    bool
	filters     []ask.OptionValue
	unspecified bool // neither time was given
	out         io.Writer
	mu          sync.Mutex
	progress    *progressbar.ProgressBar
	begun       time.Time
	damaged     int
	from, to    time.Time
}

// flags adds the flags. Those that filter are hidden in their --not-* form.
func (a *asking) flags(cmd *cobra.Command) {
	configFlag(cmd, &a.path)
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&a.dir, "history", "", "the `folder` of a history, without a configuration")
	f.StringVar(&a.start, "start", "", "flows that began at this `time` or later: 2026-11-18, 2026-11-18T14:00, yesterday")
	f.StringVar(&a.end, "end", "", "flows that began before this `time`; of a day, before its end")
	f.Var((*span)(&a.last), "last", "flows that began in the last 30m, 24h, 7d; 24h unless --start or --end is given")
	f.Lookup("last").DefValue = ""
	f.BoolVar(&a.utc, "utc", false, "read and print times in UTC, not in local time")
	f.BoolVar(&a.raw, "raw", false, "counts as exported, not multiplied by the sampling rate")
	for _, o := range ask.Options {
		f.Var(&filterFlag{a, o.Name}, o.Name, o.Help)
		f.Var(&filterFlag{a, "not-" + o.Name}, "not-"+o.Name, "not "+strings.ReplaceAll(o.Help, "`", ""))
		f.Lookup("not-" + o.Name).Hidden = true
	}
}

// filterFlag is an option that filters. It is read when all of them are there.
type filterFlag struct {
	a    *asking
	name string
}

// String is part of pflag.Value.
func (f *filterFlag) String() string { return "" }

// Set is part of pflag.Value.
func (f *filterFlag) Set(value string) error {
	f.a.filters = append(f.a.filters, ask.OptionValue{Name: f.name, Value: value})
	return nil
}

// Type is part of pflag.Value.
func (f *filterFlag) Type() string { return "values" }

// memoryLimit is from where on garbage is collected whenever there is any: a question
// stays below 128 MB.
const memoryLimit = 100 << 20

// boundMemory lets garbage lie as long as there is room for it: most soon is some.
func boundMemory() {
	debug.SetGCPercent(1600)
	debug.SetMemoryLimit(memoryLimit)
}

// answerTo is where an answer is printed, until the command is interrupted.
type answerTo struct {
	ctx context.Context
	out io.Writer
}

func (w answerTo) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.out.Write(p)
}

// zone is the zone of times that are read and printed.
func (a *asking) zone() *time.Location {
	if a.utc {
		return time.UTC
	}
	return time.Local
}

// question reads the flags and the expression, and opens the history. done must be
// called when the question is answered.
func (a *asking) question(cmd *cobra.Command, args []string) (q ask.Question, d *ask.Data, done func(), err error) {
	local, dir, places, err := a.where(cmd)
	if err != nil {
		return q, nil, nil, err
	}
	env := ask.Env{Local: local, ReadList: func(name string) ([]byte, error) { return readList(cmd.Context(), name) }}
	if q.Filter, err = ask.Parse(strings.Join(args, " "), env); err != nil {
		return q, nil, nil, errors.Join(usageError(err), cmd.Context().Err())
	}
	options, err := ask.ParseOptions(a.filters, env)
	if err != nil {
		return q, nil, nil, errors.Join(usageError(err), cmd.Context().Err())
	}
	q.Filter = q.Filter.And(options)
	var asked bool
	if q.Start, q.End, asked, err = ask.Span(a.start, a.end, a.last, a.zone(), time.Now()); err != nil {
		return q, nil, nil, usageError(err)
	}
	a.unspecified, a.from, a.to = !asked, q.Start, q.End
	a.out = cmd.ErrOrStderr()
	boundMemory()
	a.dir = dir
	q.Raw, q.Damaged, q.Progress = a.raw, a.sayDamaged, a.show
	a.begun = time.Now()
	d, closed, err := ask.Open(dir, q.Start, q.End, places)
	if err != nil {
		return q, nil, nil, noHistory(dir, err)
	}
	for _, name := range d.Aside {
		a.sayDamaged(filepath.Join(dir, name), errors.New("damaged, and set aside before"))
	}
	return q, d, func() { a.clear(); closed() }, nil
}

// maxListFile is how large a list of addresses may be.
const maxListFile = 64 << 20

// readList reads the file of an @FILE, which may be a pipe: an interrupt ends the wait.
func readList(ctx context.Context, name string) ([]byte, error) {
	type result struct {
		content []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(name)
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxListFile+1))
		if err == nil && len(b) > maxListFile {
			err = fmt.Errorf("%s is larger than the limit of 64 MiB", name)
		}
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		return r.content, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// placesOf says where the addresses are that stand in no file of the history yet. The
// databases take 0.3 s and 150 MB to read, so that is done when the first one is asked
// for.
func placesOf(c geo.Config, learned string, log *slog.Logger) column.Places {
	open := sync.OnceValue(func() *places { return openPlaces(c, learned, log) })
	return func(a flow.Addr, at int64) (country [2]byte, as uint32) {
		if p := open(); p != nil {
			return p.view.CountryAndAS(a, at)
		}
		return country, 0
	}
}

// where returns the own networks, the folder of the history and where addresses are.
func (a *asking) where(cmd *cobra.Command) (local []netip.Prefix, dir string, places column.Places, err error) {
	if a.dir != "" && !cmd.Flags().Changed("config") {
		cfg := config.Default()
		return cfg.Networks.Own(), a.dir, placesOf(cfg.Geo, "", stderrLog(cmd)), nil
	}
	cfg, err := loadConfig(a.path)
	if err != nil {
		return nil, "", nil, err
	}
	if dir = a.dir; dir == "" {
		dir = cfg.Flows().Dir
	}
	return cfg.Networks.Own(), dir, placesOf(cfg.Geo, learnedPath(cfg), stderrLog(cmd)), nil
}

// sayDamaged names a file that cannot be read; the others answer.
func (a *asking) sayDamaged(path string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clearBar()
	a.damaged++
	fmt.Fprintf(a.out, "flowhound: %s is left out: %s\n", text.Screen(path), text.Screen(err.Error()))
}

// incomplete is the error of an answer that lacks what could not be read, which was said.
func (a *asking) incomplete() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.damaged == 0 {
		return nil
	}
	return &exitError{code: exitFailed}
}

// show draws a progress bar on a terminal, once the question takes a second.
func (a *asking) show(done, total int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.out.(*os.File)
	if !ok || time.Since(a.begun) < barAfter || total <= 0 || !term.IsTerminal(int(f.Fd())) {
		return
	}
	if a.progress == nil {
		a.progress = progressbar.NewOptions64(total, progressbar.OptionSetWriter(a.out), progressbar.OptionSetDescription("searching"),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	}
	a.progress.ChangeMax64(total)
	_ = a.progress.Set64(done) // a terminal that is gone is no trouble of the search
}

// clear removes the progress bar.
func (a *asking) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clearBar()
}

func (a *asking) clearBar() {
	if a.progress != nil {
		_ = a.progress.Clear()
		a.progress = nil
	}
}

// nothing says that nothing was found and, when no time was asked for, which times the
// history has.
func (a *asking) nothing() {
	if !a.unspecified {
		fmt.Fprintln(a.out, "no such flows")
		return
	}
	first, last, err := ask.Extent(a.dir)
	if err != nil || first.IsZero() {
		fmt.Fprintln(a.out, "no such flows in the last 24 hours")
		return
	}
	fmt.Fprintf(a.out, "no such flows in the last 24 hours; the history holds %s to %s: see --start and --last\n",
		first.In(a.zone()).Format(time.DateTime), last.In(a.zone()).Format(time.DateTime))
}

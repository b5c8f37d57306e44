package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/columns"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/control/status"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/exporters"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// watchEvery is how often --watch draws, and the exporters' rates are of.
	watchEvery = 2 * time.Second
	// lastHits is how many hits the screen shows, mostRows how many rows of each other
	// table.
	lastHits = 5
	mostRows = 20
)

// screenful is all that status tells: what the agent says, and the last hits of its log.
type screenful struct {
	status.Status
	LastHits []*hit.Hit `json:"last_hits,omitempty"`
}

func statusCommand() *cobra.Command {
	var path, color string
	var watch, asJSON bool
	cmd := &cobra.Command{
		Use:   "status [-c FILE]",
		Short: "Show the state of the running agent on one screen",
		Long: `status asks the running agent: what is wrong, who sends flows and how many, how the
feeds, outputs and exports are, and the last hits. --watch draws it again every two
seconds until Ctrl-C. It exits with 1 when no agent runs; doctor tells what to do
about a problem and looks at the host, too.`,
		Example: "  sudo flowhound status --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			screen, err := terminalOf(cmd.OutOrStdout(), color)
			if err != nil {
				return err
			}
			if !watch {
				return showStatus(cmd, cfg, screen, asJSON, "")
			}
			const clear = "\x1b[H\x1b[2J"
			for {
				if err := showStatus(cmd, cfg, screen, asJSON, clear); err != nil && !errors.Is(err, control.ErrNoAgent) {
					return err
				} else if err != nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%s%v\n", clear, err)
				}
				select {
				case <-cmd.Context().Done():
					return cmd.Context().Err()
				case <-time.After(watchEvery):
				}
			}
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "refresh every two seconds")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	colorFlag(cmd, &color)
	return cmd
}

// showStatus prints once, in one piece, so that nothing flickers.
func showStatus(cmd *cobra.Command, cfg *config.Config, screen terminal, asJSON bool, before string) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), agentTime)
	defer cancel()
	s, err := status.Ask(ctx, cfg.RunDir)
	if errors.Is(err, control.ErrNoAgent) {
		return fmt.Errorf("%w; to see why: flowhound doctor", err)
	} else if err != nil {
		return err
	}
	all := screenful{Status: s, LastHits: recentHits(cfg.Log.Path)}
	if asJSON {
		return printLines(cmd.OutOrStdout(), all)
	}
	var b bytes.Buffer
	b.WriteString(before)
	screen.printStatus(&b, &all, time.Now())
	_, err = cmd.OutOrStdout().Write(b.Bytes())
	return err
}

// recentHits returns the last hits of the log, the youngest first. A log that cannot be
// read has none: doctor says why.
func recentHits(path string) (last []*hit.Hit) {
	_, _ = logged.Read(path, logged.Filter{Since: time.Now().Add(-recentTime)}, func(h *hit.Hit) {
		if last = append(last, h); len(last) > 2*lastHits {
			last = slices.Delete(last, 0, lastHits)
		}
	})
	slices.Reverse(last)
	return last[:min(len(last), lastHits)]
}

func (t terminal) printStatus(w io.Writer, s *screenful, now time.Time) {
	t.line(w, "flowhound %s, up %s, %s flows/s, %s, %s, on %s", s.Version, rough(now.Sub(s.Started)), rate(s.FlowsPerSecond),
		counted(s.Indicators, "indicator", "indicators"), counted(int(s.Hits), "alert line", "alert lines"), strings.Join(s.Listening, " ")) //nolint:gosec // far below the limit
	if len(s.Problems) == 0 {
		t.line(w, "%s", t.paint(green, "nothing is wrong"))
	}
	for _, f := range s.Problems {
		word, color := "warn", yellow
		if f.Level == finding.Bad {
			word, color = "bad ", red
		}
		what := strings.ReplaceAll(f.What, "\n", "; ")
		if t.width > 0 {
			what = columns.Cut(what, max(t.width-6, 10))
		}
		fmt.Fprintf(w, "%s  %s\n", t.paint(color, word), what)
	}
	t.table(w, exporterTable(s, now))
	t.table(w, feedTable(s, now))
	t.table(w, outputTable(s, now))
	t.table(w, exportTable(s, now))
	if len(s.LastHits) > 0 {
		fmt.Fprintf(w, "\n%s\n", t.paint(bold, "LAST HITS"))
	}
	for _, h := range s.LastHits {
		_ = t.printLive(w, h, false) // into memory
	}
}

// line prints a line that is cut where it would not fit.
func (t terminal) line(w io.Writer, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.width > 0 && !strings.Contains(text, "\x1b") {
		text = columns.Cut(text, t.width)
	}
	fmt.Fprintln(w, text)
}

// table prints a table with a blank line before it, unless it is empty.
func (t terminal) table(w io.Writer, tab *columns.Table) {
	if tab == nil {
		return
	}
	fmt.Fprintln(w)
	paint := tab.Paint
	tab.Paint = func(row, column int, text string) string {
		switch {
		case row < 0:
			return t.paint(bold, text)
		case paint != nil:
			return t.paint(paint(row, column, text), text)
		}
		return text
	}
	_ = tab.Print(w, t.width) // into memory
}

// byStatus colours the words that say how something is.
func byStatus(_, _ int, text string) string {
	switch text {
	case "ok":
		return green
	case "error", "down", "dropping", "rejected", "failed":
		return red
	case "stale", "pending", "silent", "new":
		return yellow
	}
	return plain
}

// exporterTable has the exporters, those that send most first, and who is rejected.
func exporterTable(s *screenful, now time.Time) *columns.Table {
	tab := &columns.Table{Head: []string{"EXPORTER", "STATUS", "FLOWS/S", "SEEN", "LOST", "SAMPLING", "TEMPLATES", "VERSION"}, Drop: []int{6, 5, 7, 3}, Paint: byStatus}
	list := slices.Clone(s.Exporters)
	slices.SortStableFunc(list, func(a, b exporters.State) int { return cmp.Compare(b.FlowsPerSecond, a.FlowsPerSecond) })
	for _, e := range list[:min(len(list), mostRows)] {
		word, sampling := "ok", "-"
		switch {
		case e.Silent:
			word = "silent"
		case e.Newcomer:
			word = "new"
		}
		if e.Sampling > 0 {
			sampling = "1:" + strconv.FormatUint(uint64(e.Sampling), 10)
		}
		tab.Row(e.Address.String(), word, rate(e.FlowsPerSecond), ago(now, e.LastSeen), strconv.FormatUint(e.Lost, 10), sampling, strconv.Itoa(e.Templates), protocolsOf(e.Versions))
	}
	for _, r := range s.Rejected[:min(len(s.Rejected), mostRows)] {
		tab.Row(r.Address.String(), "rejected", "-", ago(now, r.LastSeen), "-", "-", "-", "exporters.allow does not name it")
	}
	if left := len(list) - mostRows; left > 0 {
		tab.Row(fmt.Sprintf("%d more", left), "", "", "", "", "", "", "")
	}
	if len(list)+len(s.Rejected) == 0 {
		tab.Row("none", "", "", "", "", "", "", "nothing has come since the start")
	}
	return tab
}

func feedTable(s *screenful, now time.Time) *columns.Table {
	if len(s.Feeds) == 0 {
		return nil
	}
	tab := &columns.Table{Head: []string{"FEED", "STATUS", "INDICATORS", "AGE", "MESSAGE"}, Drop: []int{3}, Paint: byStatus}
	for i := range s.Feeds {
		f := &s.Feeds[i]
		age := "-"
		if f.URL != "" && !f.FreshAt.IsZero() {
			age = rough(now.Sub(f.FreshAt))
		} else if !f.LoadedAt.IsZero() {
			age = "file"
		}
		message := f.Message
		if f.Status == "ok" {
			message = ""
		}
		tab.Row(f.Name, string(f.Status), strconv.Itoa(f.Indicators), age, message)
	}
	return tab
}

func outputTable(s *screenful, now time.Time) *columns.Table {
	if len(s.Outputs) == 0 {
		return nil
	}
	tab := &columns.Table{Head: []string{"OUTPUT", "STATUS", "DELIVERED", "WAITING", "OLDEST", "MESSAGE"}, Drop: []int{4, 2}, Paint: byStatus}
	for _, o := range s.Outputs {
		oldest := "-"
		if !o.Oldest.IsZero() {
			oldest = rough(now.Sub(o.Oldest))
		}
		tab.Row(o.Name, string(o.Status), strconv.FormatUint(o.Delivered, 10), strconv.FormatUint(o.Depth, 10), oldest, o.Problem)
	}
	return tab
}

func exportTable(s *screenful, now time.Time) *columns.Table {
	if len(s.Exports) == 0 {
		return nil
	}
	tab := &columns.Table{Head: []string{"EXPORT", "STATUS", "INDICATORS", "AGE", "MESSAGE"}, Drop: []int{3, 2}, Paint: byStatus}
	for _, x := range s.Exports {
		word := "ok"
		switch {
		case x.Problem != "":
			word = "failed"
		case x.At.IsZero():
			word = "pending"
		}
		tab.Row(x.Path, word, strconv.Itoa(x.Indicators), ago(now, x.At), x.Problem)
	}
	return tab
}

// protocolsOf says which protocols those version numbers are.
func protocolsOf(versions []string) string {
	var names []string
	for _, v := range versions {
		if v == "10" {
			names = append(names, "IPFIX")
		} else {
			names = append(names, "NetFlow v"+v)
		}
	}
	return strings.Join(names, " and ")
}

// ago is how long ago something was; "-": never.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return rough(now.Sub(at)) + " ago"
}

// rate is a number a second in few characters.
func rate(perSecond float64) string {
	switch {
	case perSecond > 0 && perSecond < 10:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	case perSecond < 10_000:
		return strconv.FormatFloat(perSecond, 'f', 0, 64)
	case perSecond < 1e6:
		return strconv.FormatFloat(perSecond/1000, 'f', 0, 64) + "k"
	}
	return strconv.FormatFloat(perSecond/1e6, 'f', 1, 64) + "M"
}

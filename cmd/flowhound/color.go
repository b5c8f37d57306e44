package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/plugin/hit"
)

// terminal is what is known of where a command prints to.
type terminal struct {
	width int // columns; 0: any
	color bool
}

// colorFlag gives cmd the flag --color.
func colorFlag(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "color", "auto", "auto, always or never: colour on a terminal (NO_COLOR turns it off)")
	completeFlag(cmd, "color", fixed("auto", "always", "never"))
}

// terminalOf looks at where cmd prints to. COLUMNS says how wide it is where that is no
// terminal.
func terminalOf(w io.Writer, mode string) (t terminal, err error) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.width, _, _ = term.GetSize(int(f.Fd()))
		t.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if t.width <= 0 {
		t.width, _ = strconv.Atoi(os.Getenv("COLUMNS"))
		t.width = max(t.width, 0)
	}
	switch mode {
	case "auto", "":
	case "always":
		t.color = true
	case "never":
		t.color = false
	default:
		return t, usageError(fmt.Errorf("--color: %.50q is not auto, always or never", mode))
	}
	return t, nil
}

// The colours, as terminals know them: 16 of them, which every theme can set.
const (
	plain  = "0"
	bold   = "1"
	red    = "31"
	yellow = "33"
	green  = "32"
	blue   = "36"
	grey   = "2"
)

func (t terminal) paint(color, text string) string {
	if !t.color || color == plain || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func severityColor(s hit.Severity) string {
	switch s {
	case hit.Critical:
		return "1;31"
	case hit.High:
		return red
	case hit.Medium:
		return yellow
	case hit.Low:
		return blue
	}
	return grey
}

// hitTable is a table of hits for this terminal.
func (t terminal) hitTable(times bool) demo.Table {
	table := demo.Table{Times: times, Width: t.width}
	if t.color {
		table.Paint = func(s hit.Severity, text string) string { return t.paint(severityColor(s), text) }
	}
	return table
}

package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
)

// barAfter is how long work must take to be worth a progress bar.
const barAfter = time.Second

// bar shows how far the fetch of feeds is, one feed at a time, on a terminal.
type bar struct {
	out   io.Writer // nil: no terminal
	begun time.Time
	feed  string
	line  *progressbar.ProgressBar
}

func newBar(w io.Writer) *bar {
	b := &bar{begun: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.out = w
	}
	return b
}

// show draws p.
func (b *bar) show(p *feed.Progress) {
	if b.out == nil || time.Since(b.begun) < barAfter {
		return
	}
	if b.line == nil || b.feed != p.Feed || p.Total > 0 && b.line.GetMax64() != p.Total {
		b.clear()
		total := p.Total
		if total <= 0 {
			total = -1 // turns, for want of an end
		}
		b.feed = p.Feed
		b.line = progressbar.NewOptions64(total, progressbar.OptionSetWriter(b.out), progressbar.OptionSetDescription(p.Feed),
			progressbar.OptionShowBytes(!p.Items), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	}
	_ = b.line.Set64(p.Done) // a terminal that is gone is no trouble of the feeds
}

// clear removes the bar, so that a line can be printed.
func (b *bar) clear() {
	if b.line != nil {
		_ = b.line.Clear()
		b.line = nil
	}
}

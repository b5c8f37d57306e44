package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func rates(root, binary, only string) error {
	list := filepath.Join(root, "100k.txt")
	if err := writeList(list, 100_000); err != nil {
		return err
	}
	wanted := func(name string) bool { return only == "" || slices.Contains(strings.Split(only, ";"), name) }
	ours := flowhound(binary, list, "")
	collectors := []collector{keepingAll(ours), ours, flowhound(binary, list, withoutHistory)}
	for name, peer := range map[string]func() (collector, error){"nfcapd": nfcapd, "goflow2": func() (collector, error) { return goflow2(root) }} {
		if !wanted(name) {
			continue
		}
		c, err := peer()
		if err != nil {
			fmt.Println("left out:", err)
			continue
		}
		collectors = append(collectors, c)
	}
	best := map[string]float64{}
	fmt.Println("| collector | highest loss-free rate, flows/s | ratio to nfcapd | kept of these |")
	fmt.Println("|---|---|---|---|")
	slices.Reverse(collectors)
	for _, c := range collectors {
		if !wanted(c.name) {
			continue
		}
		r, kept, err := highestRate(root, c)
		if err != nil {
			return err
		}
		best[c.name] = r
		ratio := "-"
		if best["nfcapd"] > 0 {
			ratio = fmt.Sprintf("%.2f", r/best["nfcapd"])
		}
		fmt.Printf("| %s | %.2f M | %s | %s |\n", c.name, r/1e6, ratio, kept)
	}
	return nil
}

// highestRate halves the interval between a rate that lost flows and one that
// did not until they lie within 4%, and confirms the answer for 10 s. kept says how much
// of the flows the history kept meanwhile.
func highestRate(root string, c collector) (rate float64, kept string, err error) {
	low, high := 0.0, 0.0
	for try := 400e3; high == 0 || high/max(low, 1) > 1.04; {
		if high == 0 {
			try *= 1.6
		} else {
			try = (low + high) / 2
		}
		m, err := measure(root, c, try, 3*time.Second)
		if err != nil {
			return 0, "", err
		}
		fmt.Fprintf(os.Stderr, "%s at %.2f M flows/s: %s\n", c.name, m.rate/1e6, &m)
		switch {
		case !m.ok:
			high = min(try, m.rate)
			if high < 20e3 {
				return 0, "", fmt.Errorf("%s loses flows even at %.0f a second", c.name, m.rate)
			}
			if low == 0 {
				try = high / 4
				high = 0
			}
		case m.rate < 0.97*try: // the sender cannot send more
			low, high = m.rate, m.rate
		default:
			low = m.rate
		}
	}
	for ; low > 0; low *= 0.92 {
		m, err := measure(root, c, low, 10*time.Second)
		if err != nil {
			return 0, "", err
		}
		fmt.Fprintf(os.Stderr, "%s at %.2f M flows/s for 10 s: %s\n", c.name, m.rate/1e6, &m)
		if m.ok {
			return m.rate, m.kept(), nil
		}
	}
	return 0, "", nil
}

// measured is what came of sending at a rate.
type measured struct {
	rate            float64 // that the sender reached
	sent, saw, lost uint64  // lost: of those that were seen, not kept
	keeps, ok       bool
}

func (m *measured) String() string {
	if !m.keeps || m.saw != m.sent {
		return fmt.Sprintf("%d of %d received", m.saw, m.sent)
	}
	return fmt.Sprintf("all received, %s kept", m.kept())
}

func (m *measured) kept() string {
	if !m.keeps {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(m.saw-m.lost)/float64(max(m.saw, 1)))
}

// begin starts a collector and a sender to it, whose template has arrived.
func begin(root string, c collector) (*process, *sender, error) {
	p, err := c.start(root)
	if err != nil {
		return nil, nil, err
	}
	s, err := newSender(p.port)
	if err == nil {
		err = s.template()
	}
	if err != nil {
		p.stop()
		return nil, nil, err
	}
	time.Sleep(300 * time.Millisecond)
	return p, s, nil
}

// beginWith is begin for flowhound with a new list of so many indicators.
func beginWith(root, binary, list string, indicators int) (*process, *sender, error) {
	if err := writeList(list, indicators); err != nil {
		return nil, nil, err
	}
	return begin(root, flowhound(binary, list, ""))
}

// measure sends at a rate for a time.
func measure(root string, c collector, rate float64, d time.Duration) (m measured, err error) {
	p, s, err := begin(root, c)
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(p.dir)
	defer s.close()
	stop := func() error { return nil }
	if c.beside != nil {
		stop = c.beside(p.web)
	}
	start := time.Now()
	var each func()
	var planting error
	if c.hits {
		each = func() { planting = errors.Join(planting, s.plant(1)) }
	}
	err = s.blast(rate, d, each)
	if err = errors.Join(err, planting, stop()); err != nil {
		return m, err
	}
	m = measured{rate: float64(s.sent) / time.Since(start).Seconds(), sent: s.sent, keeps: c.dropped != nil}
	if m.saw, m.lost, err = p.received(); err != nil {
		return m, err
	}
	m.ok = m.saw == m.sent && (!c.keepAll || m.lost == 0)
	return m, nil
}

package udp

import (
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

// TestDropsAreSaid: what the kernel drops is told in a line, but not each time, and
// to doctor.
func TestDropsAreSaid(t *testing.T) {
	var lines []hit.Status
	s := New(nil, Dependencies{Report: func(l *hit.Status) { lines = append(lines, *l) }})
	one, two := &Listener{stopped: true}, &Listener{stopped: true}
	s.listeners = []*Listener{one, two}
	noon := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		at       time.Duration
		one, two uint64
		want     string
	}{
		{0, 0, 0, ""},
		{5 * time.Second, 30, 10, "40 datagrams dropped by this host's kernel: the socket buffer was full; raise net.core.rmem_max to 67108864 or use a faster machine"},
		{10 * time.Second, 60, 10, ""},
		{11 * time.Minute, 60, 10, "30 datagrams dropped by this host's kernel: the socket buffer was full; raise net.core.rmem_max to 67108864 or use a faster machine"},
	} {
		lines = nil
		one.dropped, two.dropped = step.one, step.two
		s.sayNewDrops(noon.Add(step.at))
		switch {
		case step.want == "" && len(lines) == 0:
		case len(lines) != 1 || lines[0].Msg != step.want || lines[0].Status != "loss" || lines[0].Part != hit.Collector:
			t.Errorf("after %s: %+v, want %q", step.at, lines, step.want)
		}
	}
	var l finding.List
	s.Findings(&l)
	if len(l) != 1 || l[0].Level != finding.Bad || l[0].What != "this host's kernel has dropped 70 datagrams: the socket buffers were full" {
		t.Errorf("doctor says %+v", l)
	}
}

// TestStopAtOnce: an agent may be stopped before what it started has begun.
func TestStopAtOnce(t *testing.T) {
	for range 200 {
		s := New(nil, Dependencies{Report: func(*hit.Status) {}})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

package udp

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
)

// All about datagrams that this host's kernel drops because nobody read them in
// time: how they are counted, and whom it is told.

// Drops counts the datagrams that the kernel threw away because a socket's buffer
// was full or a checksum wrong, since Listen. It never decreases, and stands still
// from Close on.
func (l *Listener) Drops() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.countDrops()
	}
	return l.dropped
}

// countDrops adds what the kernel dropped since the last call. The kernel's
// counters have 32 bits and wrap.
func (l *Listener) countDrops() {
	for i, s := range l.sockets {
		if now, err := s.drops(); err == nil {
			l.dropped += uint64(now - l.last[i])
			l.last[i] = now
		}
	}
}

// Drops counts those of all sockets. It never decreases.
func (s *Sockets) Drops() (n uint64) {
	for _, l := range s.all() {
		n += l.Drops()
	}
	return n
}

// sayDrops says every few seconds what is new, until done is closed.
func (s *Sockets) sayDrops(done <-chan struct{}) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			s.sayNewDrops(now)
		}
	}
}

func (s *Sockets) sayNewDrops(now time.Time) {
	if n := s.said.Since(s.Drops(), now); n > 0 {
		s.d.Report(&hit.Status{Part: hit.Collector, Status: "loss", Msg: fmt.Sprintf(
			"%d datagrams dropped by this host's kernel: the socket buffer was full; raise net.core.rmem_max to 67108864 or use a faster machine", n)})
	}
}

// Findings says whether the kernel drops datagrams.
func (s *Sockets) Findings(l *finding.List) {
	if n := s.Drops(); n > 0 {
		l.Bad("sysctl -w net.core.rmem_max=67108864, then restart flowhound", "this host's kernel has dropped %d datagrams: the socket buffers were full", n)
	}
}

var descDrops = metric.Desc("udp_drops_total", "Datagrams that the kernel dropped because a socket buffer was full.")

// Describe sends nothing.
func (s *Sockets) Describe(chan<- *prometheus.Desc) {}

// Collect reports the drops.
func (s *Sockets) Collect(ch chan<- prometheus.Metric) { metric.To(ch).Counter(descDrops, s.Drops()) }

// Package series keeps the hits of the last month by the series they belong to, so
// that people can ask at once what happened: the newest line of each series, when its
// lines were written, and how many flows hit in each minute. It is a consumer of the
// journal, it holds a bounded table in memory, and it never delays a hit.
package series

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// Keep is how long a series without a new line is kept.
	Keep = 31 * 24 * time.Hour
	// Cursor is the name of this consumer in the journal.
	Cursor = "series"

	mostSeries  = 10_000 // about 2 kB each
	mostSpans   = 64     // of a series
	mostTargets = 16     // of the lists of a hit that are kept
)

// Span is one line of a series: how many flows it told of, and when they were.
type Span struct {
	Kind     hit.Kind     `json:"kind"`
	Severity hit.Severity `json:"sev"`
	First    time.Time    `json:"first"`
	Last     time.Time    `json:"last"`
	Count    uint64       `json:"count"`
	Bytes    uint64       `json:"bytes"`
}

// Series is all lines of one fold key.
type Series struct {
	ID       string       `json:"series"`
	Severity hit.Severity `json:"severity"` // the worst of Spans
	Newest   hit.Hit      `json:"newest"`   // its newest line
	Began    time.Time    `json:"began"`    // the first flow that is known
	Lines    int          `json:"lines"`
	Count    uint64       `json:"total_count"`
	Bytes    uint64       `json:"total_bytes"`
	Packets  uint64       `json:"total_pkts"`
	Spans    []Span       `json:"spans"` // the newest lines, oldest first

	change uint64 // number of the change that brought the newest line
}

// Last is when a flow of the series was last received.
func (s *Series) Last() time.Time { return s.Newest.Last }

// Dependencies are what a Store works with. All but Seed are required.
type Dependencies struct {
	Journal *journal.Journal
	Path    string // of the file that the table is saved to
	// Seed gives the hits of before this table was kept; nil: there are none.
	Seed func(each func(*hit.Hit))
	Log  *slog.Logger
}

// Store is the table. All but Start and Stop may be called concurrently.
type Store struct {
	d      Dependencies
	cursor *journal.Cursor
	stop   chan struct{}
	once   sync.Once
	done   chan struct{} // nil: not started

	mu      sync.Mutex
	series  map[string]*Series
	minutes *minutes
	change  uint64
	changed chan struct{} // closed with the next change
	seq     uint64        // number of the last record that is in the table

	unsaved finding.Trouble
}

// New returns a Store that is empty and has touched nothing.
func New(d Dependencies) *Store {
	return &Store{
		d: d, stop: make(chan struct{}), series: map[string]*Series{}, minutes: newMinutes(), changed: make(chan struct{}),
		unsaved: finding.Trouble{Fails: "the table of series of hits cannot be saved", Costs: "after a restart the pages would lack hits", Log: d.Log},
	}
}

// Start reads the saved table and what the journal has said since, and goes on with
// what comes.
func (s *Store) Start(context.Context) error {
	s.cursor = s.d.Journal.Cursor(Cursor, 64<<20)
	s.restore(time.Now())
	s.done = make(chan struct{})
	go s.run()
	return nil
}

// Stop takes what has come and saves the table. It may be called again.
func (s *Store) Stop(ctx context.Context) error {
	if s.done == nil {
		return nil
	}
	s.once.Do(func() { close(s.stop) })
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	saveEvery  = time.Minute
	retryEvery = 5 * time.Second
)

func (s *Store) run() {
	defer close(s.done)
	defer s.cursor.Close()
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	saved := s.seq
	for {
		err := s.drain()
		wake, retry := s.cursor.Wait(), (<-chan time.Time)(nil)
		if err != nil {
			s.d.Log.Warn("the pages may lack hits: the journal cannot be read", "err", err)
			wake, retry = nil, time.After(retryEvery)
		}
		select {
		case <-wake:
		case <-retry:
		case now := <-save.C:
			saved = s.save(now, saved)
		case <-s.stop:
			if err := s.drain(); err != nil {
				s.d.Log.Warn("the pages may lack hits: the journal cannot be read", "err", err)
			}
			s.save(time.Now(), saved)
			return
		}
	}
}

// drain takes over what the journal has.
func (s *Store) drain() error {
	for {
		r, err := s.cursor.Next()
		if err != nil || r == nil {
			return err
		}
		s.mu.Lock()
		if r.Seq > s.seq {
			s.seq = r.Seq
			if r.Hit != nil {
				s.add(r.Hit)
			}
		}
		s.mu.Unlock()
	}
}

// seriesOf splits the id of a line.
func seriesOf(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 {
		return id[:i]
	}
	return id
}

// add takes a line into the table. mu is held.
func (s *Store) add(h *hit.Hit) {
	id := seriesOf(h.ID)
	first, last := timesOf(h)
	x := s.series[id]
	if x == nil {
		if len(s.series) >= mostSeries {
			s.shrink()
		}
		x = &Series{ID: id}
		s.series[id] = x
	}
	s.change++
	x.change = s.change
	x.Add(h)
	s.minutes.add(h.Severity, first, last, h.Count)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Add takes a line into the series. Lines come in their order.
func (s *Series) Add(h *hit.Hit) {
	first, last := timesOf(h)
	if s.Began.IsZero() {
		s.Began = first
	}
	s.Newest = *h
	s.Newest.First, s.Newest.Last = first, last
	if len(s.Newest.Indicators) > mostTargets {
		s.Newest.Indicators = s.Newest.Indicators[:mostTargets:mostTargets]
	}
	if first.Before(s.Began) {
		s.Began = first
	}
	s.Lines++
	s.Count += h.Count
	s.Bytes += h.Bytes
	s.Packets += h.Packets
	if len(s.Spans) >= mostSpans {
		s.Spans = slices.Delete(slices.Clone(s.Spans), 0, 1) // who asked may hold the old ones
	}
	s.Spans = append(s.Spans[:len(s.Spans):len(s.Spans)], Span{h.Kind, h.Severity, first, last, h.Count, h.Bytes})
	s.Severity = worst(s.Spans)
}

// timesOf returns when the flows of a line were: when it was said where it does not
// tell that, as lines of the log do not, and summaries of nothing new.
func timesOf(h *hit.Hit) (first, last time.Time) {
	for _, t := range [...]time.Time{h.Last, h.End, h.Time} {
		if last.IsZero() {
			last = t
		}
	}
	for _, t := range [...]time.Time{h.First, h.Start, last} {
		if first.IsZero() {
			first = t
		}
	}
	return first, last
}

func worst(spans []Span) (sev hit.Severity) {
	for _, p := range spans {
		sev = max(sev, p.Severity)
	}
	return sev
}

// shrink forgets an eighth of the table: the least severe first, and among them those
// that were quiet for the longest time. mu is held.
func (s *Store) shrink() {
	all := make([]*Series, 0, len(s.series))
	for _, x := range s.series {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *Series) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), a.Last().Compare(b.Last()))
	})
	for _, x := range all[:len(all)/8] {
		delete(s.series, x.ID)
	}
}

// expire forgets series without a line since then. mu is held.
func (s *Store) expire(before time.Time) {
	for id, x := range s.series {
		if x.Newest.Time.Before(before) && x.Last().Before(before) {
			delete(s.series, id)
		}
	}
}

// Question says which series are asked for. Zero values accept all.
type Question struct {
	From, To time.Time // series with flows in between
	Severity hit.Severity
	Accept   func(*Series) bool
}

// List returns the series that fit, the worst first and then the newest. They are
// copies that share their Spans and lists, which nobody changes. change is what
// Changes takes.
func (s *Store) List(q Question) (list []Series, change uint64) {
	s.mu.Lock()
	list = make([]Series, 0, len(s.series))
	for _, x := range s.series {
		if (q.From.IsZero() || !x.Last().Before(q.From)) && (q.To.IsZero() || x.Began.Before(q.To)) && x.Severity >= q.Severity {
			list = append(list, *x)
		}
	}
	change = s.change
	s.mu.Unlock()
	if q.Accept != nil {
		list = slices.DeleteFunc(list, func(x Series) bool { return !q.Accept(&x) })
	}
	slices.SortFunc(list, func(a, b Series) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.Last().Compare(a.Last()), strings.Compare(a.ID, b.ID))
	})
	return list, change
}

// Get returns the series of an id, or of one of its lines.
func (s *Store) Get(id string) (Series, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.series[id]
	if !ok {
		x, ok = s.series[seriesOf(id)]
	}
	if !ok {
		return Series{}, false
	}
	return *x, true
}

// Changes returns the series that have a new line since the change of that number,
// the oldest change first and most of them at most, and the number to ask with next.
// more is closed when there is another.
func (s *Store) Changes(since uint64, most int) (list []Series, next uint64, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since < s.change {
		for _, x := range s.series {
			if x.change > since {
				list = append(list, *x)
			}
		}
		slices.SortFunc(list, func(a, b Series) int { return cmp.Compare(a.change, b.change) })
		if len(list) > most {
			list = list[len(list)-most:]
		}
	}
	return list, s.change, s.changed
}

// Change is the number of the newest change.
func (s *Store) Change() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

// Of reports whether an address or network is on either side of a series.
func (s *Series) Of(network netip.Prefix) bool {
	h := &s.Newest
	for _, a := range [...]netip.Addr{h.Src, h.Dst, h.Local, h.Remote, h.NATSrc, h.NATDst} {
		if a.IsValid() && network.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

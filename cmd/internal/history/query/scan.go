package query

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/priority"
)

// Question is what is asked of the history.
type Question struct {
	Filter Filter
	// Start and End bound when flows began: from Start on, before End, to the
	// millisecond. The zero time is no bound.
	Start, End time.Time
	// Raw leaves counts as they were exported. Otherwise they are multiplied by the
	// sampling rate, in conditions, too.
	Raw bool
	// Workers is how many row groups are searched at once; 0: 2. A worker needs up to
	// 20 MB.
	Workers int
	// Yield has the workers take what receiving and alerting leave of the processors.
	Yield bool
	// Progress is told how many rows of all are done; nil: nobody is. It may be called
	// by several goroutines.
	Progress func(done, total int64)
	// Damaged is told of files that cannot be read, and why; the others answer. nil: the
	// question fails.
	Damaged func(path string, err error)
}

// Part is a file of the history, or some row groups of it.
type Part struct {
	Path   string
	Info   column.Info // what the manifest says of it
	Open   func() (*column.File, error)
	Groups []int // the row groups that can hold what is asked; nil: all

	// asked are addresses of the question, of which these can be in the file; nil: all.
	asked, there *AddrSet
}

// overlaps reports whether flows of the file can have begun from from on and before to, in
// Unix milliseconds.
func (p *Part) overlaps(from, to int64) bool {
	return floorMillis(p.Info.Start) < to && floorMillis(p.Info.End) >= from
}

func (q *Question) workers() int {
	if q.Workers > 0 {
		return q.Workers
	}
	return 2
}

// bounds returns the first and the first past the last millisecond.
func (q *Question) bounds() (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !q.Start.IsZero() {
		from = q.Start.UnixMilli()
	}
	if !q.End.IsZero() {
		to = q.End.UnixMilli()
	}
	return from, to
}

// errEnough ends a scan early without an error.
var errEnough = errors.New("enough")

// scan searches the row groups of parts. Each worker calls visit with the rows of a
// group whose records the question accepts, of each direction. What depends on the order
// of parts is done by handOn, or behind await.
type scan struct {
	q     *Question
	parts []Part
	// skip, unless it is nil, is asked of each row group before its file is opened: whether
	// the group need not be searched.
	skip func(part int) bool
	// symmetric: what is asked of one direction holds for the other.
	symmetric bool
	visit     func(worker int, g *group, found [2][]int32) error

	root  *node
	tasks []task
	files []opened

	mu      sync.Mutex
	turn    *sync.Cond
	next    int // task that nobody has taken
	front   int // task whose turn it is
	over    []bool
	later   map[int]func() error // what tasks have to hand on
	handing bool
	err     error
	done    int64
	total   int64
}

// maxLater is how many tasks may wait until those before them are over.
const maxLater = 16

// task is one row group, or all of a file whose groups are not known yet.
type task struct{ file, group int }

// opened is a file while workers search it.
type opened struct {
	once     sync.Once
	file     *column.File
	err      error
	left     int // groups that are not done
	reported bool
}

// run runs the scan. It returns when all workers have ended.
func (s *scan) run(ctx context.Context) error {
	s.root = ordered(s.q.Filter.root)
	s.turn, s.later = sync.NewCond(&s.mu), map[int]func() error{}
	s.files = make([]opened, len(s.parts))
	for i, p := range s.parts {
		groups := p.Groups
		if groups == nil {
			for g := range p.Info.Groups {
				groups = append(groups, g)
			}
		}
		s.files[i].left = len(groups)
		for _, g := range groups {
			s.tasks = append(s.tasks, task{i, g})
		}
		if p.Info.Groups > 0 {
			s.total += p.Info.Rows * int64(len(groups)) / int64(p.Info.Groups)
		}
	}
	s.over = make([]bool, len(s.tasks))
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	var workers sync.WaitGroup
	for n := range min(s.q.workers(), len(s.tasks)) {
		workers.Go(func() {
			if s.q.Yield {
				priority.Lower(priority.Low)
			}
			s.work(n)
		})
	}
	workers.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.files {
		if f := &s.files[i]; f.file != nil {
			_ = f.file.Close() // it was only read
		}
	}
	if errors.Is(s.err, errEnough) {
		return nil
	}
	return cmp.Or(s.err, context.Cause(ctx))
}

func (s *scan) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.turn.Broadcast()
}

// take returns the next task, false when there is none or the scan has failed.
func (s *scan) take() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.later) >= maxLater {
		s.turn.Wait()
	}
	if s.err != nil || s.next == len(s.tasks) {
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

func (s *scan) work(worker int) {
	g := &group{raw: s.q.Raw}
	for {
		at, ok := s.take()
		if !ok {
			return
		}
		t := s.tasks[at]
		err := s.search(worker, g, at)
		if err != nil && !s.tolerate(t, err) {
			s.fail(err)
		}
		s.finish(at)
	}
}

// tolerate reports whether the scan goes on without a file that cannot be read.
func (s *scan) tolerate(t task, err error) bool {
	var f failure
	if !errors.As(err, &f) || s.q.Damaged == nil {
		return false
	}
	s.mu.Lock()
	again := s.files[t.file].reported
	s.files[t.file].reported = true
	s.mu.Unlock()
	if !again {
		s.q.Damaged(s.parts[t.file].Path, f.err)
	}
	return true
}

// finish ends a task: the next ones in order may go on, and a file without further
// tasks is closed.
func (s *scan) finish(at int) {
	t := s.tasks[at]
	s.mu.Lock()
	s.over[at] = true
	s.advance()
	f := &s.files[t.file]
	if f.left--; f.left == 0 && f.file != nil {
		_ = f.file.Close() // it was only read
		f.file = nil
	}
	p := s.parts[t.file]
	if p.Info.Groups > 0 {
		s.done += p.Info.Rows / int64(p.Info.Groups)
	}
	done, total := min(s.done, s.total), s.total
	s.mu.Unlock()
	if s.q.Progress != nil {
		s.q.Progress(done, total)
	}
}

// advance hands on what the first tasks in order have for that, unless another worker is
// at it. It is called with mu, which it gives away meanwhile.
func (s *scan) advance() {
	for !s.handing && s.front < len(s.tasks) && s.over[s.front] {
		do := s.later[s.front]
		delete(s.later, s.front)
		if do != nil && s.err == nil {
			s.handing = true
			s.mu.Unlock()
			err := do()
			s.mu.Lock()
			s.handing = false
			s.err = cmp.Or(s.err, err)
		}
		s.front++
		s.turn.Broadcast()
	}
}

// handOn has do called when all tasks before this one are over.
func (s *scan) handOn(at int, do func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later[at] = do
}

// await waits until all tasks before this one are over. It reports whether the scan goes on.
func (s *scan) await(at int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.front < at && s.err == nil {
		s.turn.Wait()
	}
	return s.err == nil
}

// Error makes a failure an error, once it is caught.
func (f failure) Error() string { return f.err.Error() }

func (f failure) Unwrap() error { return f.err }

// search searches one row group.
func (s *scan) search(worker int, g *group, at int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(failure)
			if !ok {
				panic(p)
			}
			err = f
		}
	}()
	t := s.tasks[at]
	if s.skip != nil && s.skip(t.file) {
		return nil
	}
	file, err := s.open(t.file)
	if err != nil {
		return failure{err}
	}
	if t.group >= file.Groups {
		return nil
	}
	g.open(file, t.group)
	g.part, g.task, g.asked, g.there = t.file, at, s.parts[t.file].asked, s.parts[t.file].there
	found := s.find(g, s.parts[t.file].Info)
	if len(found[forward])+len(found[reverse]) == 0 || s.stopped() {
		return nil
	}
	return s.visit(worker, g, found)
}

func (s *scan) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// find returns the rows of each direction that the question accepts.
func (s *scan) find(g *group, info column.Info) (found [2][]int32) {
	from, to := s.q.bounds()
	whole := from <= floorMillis(info.Start) && floorMillis(info.End) < to
	for w := range way(2) {
		if s.symmetric && w == reverse {
			break
		}
		rows := g.accepted(s.root, w)
		if !whole && len(rows) > 0 {
			rows = g.within(w, rows, from, to)
		}
		found[w] = rows
	}
	return found
}

// open returns an open file. Whoever is first opens it.
func (s *scan) open(i int) (*column.File, error) {
	f := &s.files[i]
	f.once.Do(func() { f.file, f.err = s.parts[i].Open() })
	return f.file, f.err
}

// ordered returns a filter's nodes with the cheap ones first within each and.
func ordered(n *node) *node {
	if n == nil || n.op == opLeaf || n.op == opAll {
		return n
	}
	c := *n
	c.kids = make([]*node, len(n.kids))
	for i, k := range n.kids {
		c.kids[i] = ordered(k)
	}
	if n.op == opAnd {
		slices.SortStableFunc(c.kids, func(a, b *node) int { return cmp.Compare(cost(a), cost(b)) })
	}
	return &c
}

// fewAddresses is how many addresses are worth looking for before all else: of most row groups few
// rows are left then, and of the other columns a page or two.
const fewAddresses = 4096

// cost ranks what a node takes to evaluate: columns with few values are small, ports
// have no dictionary, and rates take several columns.
func cost(n *node) int {
	if n.op == opLeaf {
		if set := n.vals.addrs; set != nil && !n.negated && set.size4() <= fewAddresses {
			return 0
		}
		switch n.field {
		case Proto, Exporter, Domain, Version, Sampling, Firewall, Flags, ToS, InIf, OutIf, SrcCountry, DstCountry, ICMPType, ICMPCode:
			return 1
		case SrcIP, DstIP, NATSrcIP, NATDstIP, SrcAS, DstAS:
			return 2
		case SrcPort, DstPort, NATSrcPort, NATDstPort, Packets:
			return 3
		}
		return 4
	}
	most := 0
	for _, k := range n.kids {
		most = max(most, cost(k)+1)
	}
	return most
}

package output

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered is a hit with n as its id.
// tag makes a record of the journal some 800 bytes long.
var tag = strings.Repeat("tag ", 150)

func numbered(n int) *hit.Hit {
	return &hit.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx",
		IOC: netip.MustParsePrefix("198.51.100.7/32"), Score: 60,
		Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234, Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Proto: 6,
		Count: 1, Bytes: 18412, Packets: 97, Exporter: netip.MustParseAddr("192.0.2.1"),
		Time: time.Unix(1800000000, 0).UTC(), ID: strconv.Itoa(n), Ref: "https://otx.alienvault.com/pulse/5f", Name: "Emotet wave 3",
		Indicators: []hit.Indicator{{IOC: netip.MustParsePrefix("198.51.100.7/32"), Feed: "otx", Category: "c2", Score: 60, Name: "Emotet wave 3", Tags: []string{tag}}},
	}
}

// sink is a Writer that keeps what it is given, unless outcome says otherwise.
type sink struct {
	mu      sync.Mutex
	outcome func(hits []hit.Hit) error // nil: delivered
	got     []string                   // ids
	batches []int
	gate    func(ctx context.Context) // nil: no wait
}

func (s *sink) Write(ctx context.Context, hits []hit.Hit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		s.gate(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.batches = append(s.batches, len(hits))
	var err error
	if s.outcome != nil {
		err = s.outcome(hits)
	}
	var partial *plugin.PartialError
	for i, h := range hits {
		if err == nil || errors.As(err, &partial) && partial.Errs[i] == nil {
			s.got = append(s.got, h.ID)
		}
	}
	return err
}

func (s *sink) set(outcome func(hits []hit.Hit) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = outcome
}

func (s *sink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

var errDown = errors.New("connection refused")

func isDown([]hit.Hit) error { return errDown }

// said keeps output lines.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) say(status, msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, status+" "+msg)
}

// words returns the statuses that were said.
func (s *said) words() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, l := range s.lines {
		word, _, _ := strings.Cut(l, " ")
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (s *said) has(t *testing.T, text string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.lines, func(l string) bool { return strings.Contains(l, text) }) {
		t.Errorf("%q is not said in\n%s", text, strings.Join(s.lines, "\n"))
	}
}

// bench is an output and its journal.
type bench struct {
	*Output
	t testing.TB
	j *journal.Journal
}

// start starts an output whose journal and dead letters are in dir; change may alter
// its configuration and what it works with.
func start(t testing.TB, dir string, w Writer, lines *said, change func(*Config, *Dependencies)) *bench {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Sync: journal.SyncNever})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Name: "siem", Spool: 1 << 30, Batch: Batch{Max: 100, Every: 100 * time.Millisecond},
		Timeout: 10 * time.Second, MaxAttempts: 3, MaxAge: 24 * time.Hour,
	}
	d := Dependencies{Journal: j, Dir: filepath.Join(dir, "dead"), Writer: w}
	if lines != nil {
		d.Report = lines.say
	}
	if change != nil {
		change(&c, &d)
	}
	j.Keep(1 << 60) // there is no fold table here
	out := New(c, d)
	out.Start()
	return &bench{out, t, j}
}

func stop(t testing.TB, out *bench) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out.Stop(ctx)
	ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := out.j.Close(ctx); err != nil {
		t.Error(err)
	}
}

// put appends a hit if the output wants it.
func (x *bench) put(h *hit.Hit) {
	x.t.Helper()
	if !x.Wants(h) {
		return
	}
	if _, err := x.j.Append(&journal.Record{To: []string{CursorOf(x.Name())}, Hit: h}); err != nil {
		x.t.Fatal(err)
	}
}

// put puts the hits from first to last, and waits until they may be read.
func put(out *bench, first, last int) {
	out.t.Helper()
	for n := first; n <= last; n++ {
		out.put(numbered(n))
		if n%1000 == 0 || n == last {
			if err := out.j.Written(context.Background()); err != nil && out.j.Stats().Write == "" {
				out.t.Error(err)
			}
		}
	}
}

func wantIDs(t *testing.T, what string, got []string, first, last int) {
	t.Helper()
	var want []string
	for n := first; n <= last; n++ {
		want = append(want, strconv.Itoa(n))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d hits %.300q, want %d to %d in order", what, len(got), got, first, last)
	}
}

// sortSuspects sorts the first hits after a target was down: they were tried alone,
// in turn.
func sortSuspects(ids []string) {
	slices.SortFunc(ids[:min(len(ids), suspects)], func(a, b string) int {
		m, _ := strconv.Atoi(a)
		n, _ := strconv.Atoi(b)
		return m - n
	})
}

// settle waits, in a bubble, until all is quiet.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

package netflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

const (
	storeKind    = "flowhound-templates 2"
	maxOldFile   = 64 << 20 // bytes of a file of the first version
	leastRewrite = 1 << 20  // bytes of the file before it is written anew
)

// budget bounds what is written to the disk: datagrams are cheap to forge, and each
// may bring another template. What is over it waits, the latest state of each
// exporter, and exporters that have proved themselves come first.
type budget struct {
	tokens float64 // bytes
	at     time.Time
}

const (
	budgetRate   = 16 << 10 // bytes a second, in all; what rewriting adds is at most twice this
	budgetBurst  = 4 << 20  // bytes: all exporters of a large network, at the first start
	exporterRate = 1 << 10  // bytes a second, for one exporter
)

func (b *budget) refill(now time.Time) {
	if b.at.IsZero() {
		b.tokens = budgetBurst
	} else if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(budgetBurst, b.tokens+passed*budgetRate)
	}
	b.at = now
}

// allows reports whether an exporter may write. Half of the burst is for those that
// are steady.
func (b *budget) allows(r standing) bool {
	if r < steady {
		return b.tokens > budgetBurst/2
	}
	return b.tokens > 0
}

// OpenStore reads the store at path; a file that does not exist is an empty
// store. The Store is usable in any case: damage costs the exporters that it hit,
// and the error says what could not be read.
func OpenStore(path string) (*Store, error) {
	s := newStore(path)
	file.SweepBeside(path)
	sweepOld(path)
	now := time.Now()
	err := errors.Join(s.readOld(now), s.open(func(record []byte) bool {
		var fe fileExporter
		return json.Unmarshal(record, &fe) == nil && s.take(&fe, len(record), now)
	}))
	s.shrink(now.UnixNano())
	if err != nil {
		err = fmt.Errorf("read templates: %w; exporters must send again what is lost", err)
	}
	return s, err
}

// sweepOld removes what earlier versions left half-written, NAME.tmp1234. The folder
// belongs to this process.
func sweepOld(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".tmp"); ok && n != "" && strings.Trim(n, "0123456789") == "" {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

func newStore(path string) *Store {
	return &Store{
		path: path, changed: make(chan struct{}, 1),
		exporters: ranked[exporterKey, *stored]{idle: storeIdle}, dirty: map[exporterKey]struct{}{},
	}
}

// open opens the file and gives its records to take, which is false for malformed ones.
func (s *Store) open(take func(record []byte) bool) error {
	bad := 0
	log, found, err := file.OpenLog(s.path, storeKind, func(record []byte) error {
		if !take(record) {
			bad++
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.log = log
	if s.worn = found.Lost+found.Torn > 0 || found.Repaired > 0; s.worn {
		s.wake()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Bytes = log.Size()
	s.stats.Lost += found.Lost + found.Torn // a torn end is no damage: nobody was told that it is saved
	switch {
	case found.Aside != "":
		return fmt.Errorf("%s is of another version and was moved to %s", s.path, found.Aside)
	case found.Lost > 0 || bad > 0:
		return fmt.Errorf("%s is damaged: %d bytes and %d records could not be read, and %d others could", s.path, found.Lost, bad, found.Records-bad)
	}
	return nil
}

// take reads one record; a later one of the same exporter takes its place. It is false
// for one that is malformed.
func (s *Store) take(fe *fileExporter, size int, now time.Time) bool {
	key, domains, err := fe.stored()
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.exporters.get(key); ok {
		s.remove(p)
	}
	// A host without a clock of its own may have written times of long ago.
	const plausible = 1_600_000_000
	if age := now.Unix() - fe.Saved; len(domains) == 0 || fe.Saved > plausible && time.Duration(age)*time.Second > maxStored {
		return true
	}
	p := s.insert(key, max(fe.Rank, useful), now.UnixNano())
	*p.value = stored{domains: domains, memory: cost(domains), saved: fe.Saved, size: size}
	s.memory += p.value.memory
	return true
}

// readOld takes what a file of the first version holds, and removes it: the first Save
// writes it anew.
func (s *Store) readOld(now time.Time) error {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxOldFile+1))
	if err != nil || !bytes.HasPrefix(b, []byte(oldHeader)) {
		return err
	}
	list, ok := decodeOld(b)
	if !ok {
		return nil // open moves it aside and says so
	}
	for i := range list {
		if key, _, err := list[i].stored(); err == nil && s.take(&list[i], 0, now) {
			s.dirty[key] = struct{}{}
		}
	}
	s.wake()
	return os.Remove(s.path)
}

// saveable is one exporter for the disk.
type saveable struct {
	place   *seat[exporterKey, *stored]
	rank    standing
	domains []storedDomain
}

// Save writes what changed since the last Save, as far as the budget allows; for the
// rest Changed receives again. It is on the disk when Save returns.
func (s *Store) Save() error { return s.save(time.Now(), false) }

// Close writes all that changed, and closes the file.
func (s *Store) Close() error {
	err := s.save(time.Now(), true)
	s.saving.Lock()
	defer s.saving.Unlock()
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
		s.log = nil
	}
	return err
}

func (s *Store) save(now time.Time, all bool) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	err := s.write(now, all)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.stats.Failures++
		err = fmt.Errorf("save templates: %w", err)
	}
	if s.log != nil {
		s.stats.Bytes = s.log.Size()
	}
	if len(s.dirty) > 0 {
		s.wake()
	}
	return err
}

func (s *Store) write(now time.Time, all bool) error {
	list := s.due(now, all)
	if len(list) == 0 && !s.worn {
		return nil
	}
	if s.log == nil {
		// What it holds by now is older than what is known.
		if err := s.open(func([]byte) bool { return true }); s.log == nil {
			return err
		}
	}
	s.budget.refill(now)
	appended := false
	for _, e := range list {
		if !all && !s.budget.allows(e.rank) {
			break // those behind have no higher rank
		}
		n, err := s.append(s.log.Append, &e, now)
		if err != nil {
			return err
		}
		s.budget.tokens -= float64(n)
		appended = true
	}
	if !appended && !s.worn {
		return nil
	}
	if size := s.log.Size(); s.worn || size > leastRewrite && size > 2*s.live() {
		return s.rewrite(now) // which brings it to the disk
	}
	return s.log.Sync()
}

// due lists the exporters that are to be written, the highest rank first.
func (s *Store) due(now time.Time, all bool) (list []saveable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.dirty {
		p, ok := s.exporters.get(key)
		if !ok {
			delete(s.dirty, key)
		} else if all || !now.Before(p.value.next) || p.value.next.Sub(now) > maxWait {
			list = append(list, saveable{p, p.rank, p.value.domains})
		}
	}
	slices.SortFunc(list, func(a, b saveable) int { return int(b.rank) - int(a.rank) })
	return list
}

// maxWait is how long an exporter with the largest record waits for its next one;
// longer waits come of a clock that was set back.
const maxWait = file.MaxRecord / exporterRate * time.Second

// append writes one exporter with add, and returns the bytes. One whose record is
// larger than any can be is left out: its memory is bounded, its text is not.
func (s *Store) append(add func([]byte) error, e *saveable, now time.Time) (int, error) {
	b, err := encodeExporter(e.place.key, e.domains, e.rank, now.Unix())
	if err == nil && len(b) <= file.MaxRecord {
		err = add(b)
	}
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := e.place.value
	v.saved, v.size = now.Unix(), len(b)
	v.next = now.Add(time.Duration(len(b)) * time.Second / exporterRate)
	if p, ok := s.exporters.get(e.place.key); ok && p == e.place && e.rank == p.rank && same(e.domains, v.domains) {
		delete(s.dirty, p.key)
		if len(v.domains) == 0 { // withdrawn, and so it stands in the file now
			s.remove(p)
		}
	}
	s.stats.Written += uint64(len(b))
	return len(b), nil
}

// same reports whether two lists are one: they are replaced, never changed.
func same(a, b []storedDomain) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// live is about how large the file needs to be.
func (s *Store) live() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.exporters.all {
		n += int64(p.value.size)
	}
	return n
}

// rewrite writes the file anew, with one record an exporter.
func (s *Store) rewrite(now time.Time) error {
	var list []saveable
	s.mu.Lock()
	for p := range s.exporters.all {
		if len(p.value.domains) > 0 {
			list = append(list, saveable{p, p.rank, p.value.domains})
		}
	}
	s.mu.Unlock()
	err := s.log.Rewrite(func(add func([]byte) error) error {
		for i := range list {
			if _, err := s.append(add, &list[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	s.worn = s.worn && err != nil
	return err
}

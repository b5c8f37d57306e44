package netflow

import (
	"slices"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// Bounds of the store, which forged exporters may try to fill. Only exporters of
// which records could be read come here; beyond these bounds, and beyond maxMemory,
// the least of them goes.
const (
	maxStoredExporters = 16384
	maxStored          = 30 * 24 * time.Hour // what is older is not read again
)

// storeIdle is for how long an exporter keeps its place in the store: it tells once
// an hour that it sends.
var storeIdle = idle{
	int64(3 * time.Hour), int64(3 * time.Hour), int64(3 * time.Hour), int64(24 * time.Hour), int64(7 * 24 * time.Hour),
}

// touchEvery is how often an exporter that sends tells the store.
const touchEvery = int64(time.Hour)

// Store keeps the templates and sampling rates of exporters over a restart: an
// exporter sends them every few minutes at best, and until then its flows could
// not be read. It is safe for concurrent use; any number of Decoders share one,
// because after a restart another worker may get an exporter.
//
// The file is a log of what changed, with a record for each exporter that did.
// What is written is bounded in all and for each exporter, whatever they send: see
// budget.
type Store struct {
	path    string
	changed chan struct{}

	mu        sync.Mutex // guards what follows
	exporters ranked[exporterKey, *stored]
	memory    int // bytes of exporters
	dirty     map[exporterKey]struct{}
	stats     StoreStats

	saving sync.Mutex // one Save at a time; guards what follows
	log    *file.Log  // nil: it could not be opened
	worn   bool       // the file holds damage: it is to be written anew
	budget budget
}

// StoreStats is how a Store does.
type StoreStats struct {
	Exporters int
	Waiting   int    // exporters whose changes are not on disk
	Bytes     int64  // of the file
	Written   uint64 // bytes, since the start
	Lost      int64  // bytes of the file that were damaged when it was opened
	Failures  uint64 // failed saves
}

// stored is an exporter in the store.
type stored struct {
	domains []storedDomain // never changed, but replaced
	memory  int            // that they take
	saved   int64          // Unix seconds of its last record; 0: none
	size    int            // bytes of it
	next    time.Time      // the next record is not written before
}

// storedDomain is never changed once it is in the store.
type storedDomain struct {
	key       domainKey
	templates []*template // oldest first
	sampling  sampling
	boot      uint32 // see doubt
}

// Changed returns a channel that receives when there is something to Save.
func (s *Store) Changed() <-chan struct{} { return s.changed }

func (s *Store) wake() {
	select {
	case s.changed <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// Stats returns how the store does.
func (s *Store) Stats() StoreStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Exporters, stats.Waiting = s.exporters.len(), len(s.dirty)
	return stats
}

// publish puts what an exporter taught into the store. Templates never change,
// so sharing them costs a slice of pointers.
func (e *exporter) publish(s *Store, now int64) {
	if s == nil {
		return
	}
	var domains []storedDomain
	for key, d := range e.domains.oldestFirst {
		sd := storedDomain{key: key, sampling: d.sampling, boot: d.doubt.boot}
		sd.sampling.rates = slices.Clone(d.sampling.rates)
		for _, t := range d.templates.oldestFirst {
			if t.version == key.version { // else the file could not tell its form
				sd.templates = append(sd.templates, t.template)
			}
		}
		if !sd.empty() {
			domains = append(domains, sd)
		}
	}
	e.toldRank, e.toldAt = e.place.rank, now
	s.put(e.key, domains, e.place.rank, now)
}

// touch tells the store that an exporter sends, and its rank, when that is news.
func (e *exporter) touch(s *Store, now int64) {
	if s == nil || e.place.rank == e.toldRank && now-e.toldAt < touchEvery && now >= e.toldAt {
		return
	}
	e.toldRank, e.toldAt = e.place.rank, now
	s.touch(e.key, e.place.rank, now)
}

// adopt takes from the store what it knows of a new exporter, and returns its rank.
func (e *exporter) adopt(s *Store) standing {
	if s == nil {
		return unproven
	}
	domains, rank := s.get(e.key)
	for _, sd := range domains {
		d := e.domain(sd.key)
		d.sampling = sd.sampling
		d.doubt.boot = sd.boot
		d.sampling.rates = slices.Clone(sd.sampling.rates)
		for _, t := range sd.templates {
			e.learn(d, t).trial = true
		}
	}
	e.news()
	e.changed = false
	return rank
}

func (d *storedDomain) empty() bool {
	return d.key.version == v5 ||
		len(d.templates) == 0 && d.sampling.empty()
}

func (s *Store) get(key exporterKey) ([]storedDomain, standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.exporters.get(key); ok {
		return p.value.domains, p.rank
	}
	return nil, unproven
}

func (s *Store) put(key exporterKey, domains []storedDomain, rank standing, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.exporters.get(key)
	if !ok {
		if len(domains) == 0 {
			return
		}
		p = s.insert(key, rank, now)
	}
	s.settle(p, rank, now)
	s.memory -= p.value.memory
	p.value.domains, p.value.memory = domains, cost(domains)
	s.memory += p.value.memory
	s.dirty[key] = struct{}{}
	s.shrink(now)
	s.wake()
}

// touch notes that an exporter sends.
func (s *Store) touch(key exporterKey, rank standing, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.exporters.get(key)
	if !ok {
		return
	}
	if s.settle(p, rank, now) || now/1e9-p.value.saved > int64((24*time.Hour).Seconds()) {
		s.dirty[key] = struct{}{} // its age counts from there
		s.wake()
	}
}

func (s *Store) insert(key exporterKey, rank standing, now int64) *seat[exporterKey, *stored] {
	for s.exporters.len() >= maxStoredExporters {
		s.remove(s.exporters.least(now))
	}
	return s.exporters.put(key, &stored{}, rank, now)
}

// settle gives an entry its rank and reports whether it rose.
func (s *Store) settle(p *seat[exporterKey, *stored], rank standing, now int64) bool {
	p.at = now
	if rank <= p.rank {
		return false
	}
	s.exporters.raise(p, rank)
	return true
}

func (s *Store) remove(p *seat[exporterKey, *stored]) {
	s.exporters.remove(p)
	s.memory -= p.value.memory
	delete(s.dirty, p.key)
}

// shrink drops the least of the exporters until the rest fits the bounds.
func (s *Store) shrink(now int64) {
	for s.memory > maxMemory {
		s.remove(s.exporters.least(now))
	}
}

// cost is the memory that an exporter takes in the store, in bytes, about.
func cost(domains []storedDomain) int {
	const exporter, domain, sampler = 300, 150, 48
	n := exporter
	for i := range domains {
		n += domain + sampler*len(domains[i].sampling.rates)
		for _, t := range domains[i].templates {
			n += t.cost()
		}
	}
	return n
}

package netflow

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
)

// Bounds of the store, which spoofed exporters may try to fill. Beyond them, and
// beyond maxMemory, the exporter whose templates changed longest ago goes.
const (
	maxStoredExporters = 16384
	maxStoreFile       = 64 << 20 // bytes: maxMemory takes less than this as JSON
)

// Store keeps the templates and sampling rates of exporters over a restart: an
// exporter sends them every few minutes at best, and until then its flows could
// not be read. It is safe for concurrent use; any number of Decoders share one,
// because after a restart another worker may get an exporter.
type Store struct {
	path    string
	changed chan struct{}

	mu        sync.Mutex // guards what follows
	exporters lru[exporterKey, []storedDomain]
	memory    int // bytes of exporters
	dirty     bool

	saving sync.Mutex // one Save at a time
}

// storedDomain is never changed once it is in the store.
type storedDomain struct {
	key       domainKey
	templates []*template // oldest first
	sampling  sampling
	boot      uint32 // see doubt
}

// OpenStore reads the store at path; a file that does not exist is an empty
// store. The Store is usable in any case: when the file cannot be read or is
// damaged, it is empty, and the error says why.
func OpenStore(path string) (*Store, error) {
	s := &Store{path: path, changed: make(chan struct{}, 1)}
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read templates: %w", err)
	}
	exporters, err := decodeStore(b)
	if err != nil {
		return s, fmt.Errorf("read templates: %s: %w; starting without, exporters will send them again", path, err)
	}
	s.exporters = exporters
	for _, domains := range exporters.oldestFirst {
		s.memory += cost(domains)
	}
	s.shrink()
	return s, nil
}

// Changed returns a channel that receives when there is something to Save.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Save writes the store if it changed since the last Save. The file is replaced
// in one step, so that a crash leaves the old one or the new one.
func (s *Store) Save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	if !s.dirty {
		s.mu.Unlock()
		return nil
	}
	exporters := s.snapshot()
	s.dirty = false
	s.mu.Unlock()
	b, err := encodeStore(exporters)
	if err == nil {
		err = replaceFile(s.path, b)
	}
	if err != nil {
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
		return fmt.Errorf("save templates: %w", err)
	}
	return nil
}

// storedExporter is one entry of a Store.
type storedExporter struct {
	key     exporterKey
	domains []storedDomain
}

// snapshot copies the list of exporters, oldest first, so that it can be encoded
// while decoders go on. What it lists does not change.
func (s *Store) snapshot() []storedExporter {
	list := make([]storedExporter, 0, s.exporters.len())
	for key, domains := range s.exporters.oldestFirst {
		list = append(list, storedExporter{key, domains})
	}
	return list
}

// publish puts what an exporter taught into the store. Templates never change,
// so sharing them costs a slice of pointers.
func (e *exporter) publish(s *Store) {
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
	s.put(e.key, domains)
}

// adopt takes from the store what it knows of a new exporter.
func (e *exporter) adopt(s *Store) {
	if s == nil {
		return
	}
	for _, sd := range s.get(e.key) {
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
}

func (d *storedDomain) empty() bool {
	return d.key.version == v5 ||
		len(d.templates) == 0 && d.sampling.empty()
}

func (s *Store) get(key exporterKey) []storedDomain {
	s.mu.Lock()
	defer s.mu.Unlock()
	domains, _ := s.exporters.get(key)
	return domains
}

func (s *Store) put(key exporterKey, domains []storedDomain) {
	s.mu.Lock()
	if old, ok := s.exporters.remove(key); ok {
		s.memory -= cost(old)
	}
	if len(domains) > 0 {
		s.exporters.put(key, domains)
		s.memory += cost(domains)
	}
	s.shrink()
	s.dirty = true
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// shrink drops the oldest exporters until the rest fits the bounds.
func (s *Store) shrink() {
	for s.exporters.len() > maxStoredExporters || s.memory > maxMemory {
		oldest, _ := s.exporters.removeOldest()
		s.memory -= cost(oldest)
	}
}

// cost is the memory that an exporter takes in the store, in bytes, about.
func cost(domains []storedDomain) int {
	const exporter, domain, sampler = 200, 150, 48
	n := exporter
	for i := range domains {
		n += domain + sampler*len(domains[i].sampling.rates)
		for _, t := range domains[i].templates {
			n += t.cost()
		}
	}
	return n
}

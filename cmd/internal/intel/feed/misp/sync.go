package misp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const (
	stateFile = "state.json"
	// maxCopy bounds a copy, in bytes.
	maxCopy = 4 << 30
	// maxFailures of events in a row end a sync: the server is gone.
	maxFailures = 5
	// saveEvery is how many events a stop can cost at most.
	saveEvery = 100
)

// SyncOptions say what to keep a copy of.
type SyncOptions struct {
	URL    string      // of the feed: its folder or its manifest.json
	Secret http.Header // the headers that authenticate, if any

	// Progress, when set, is called after each event that was asked for, with how
	// many of those that are to be asked for have been.
	Progress func(done, total int)
}

// Sync brings the copy in dir of a feed up to date: the events of which its
// manifest has another timestamp are fetched, those it has no more are removed. An
// unchanged manifest costs one conditional request. An event that cannot be had
// stays as it was, and is asked for again the next time. Sync reports whether the
// copy has changed, also beside an error. The error is that of fetch, of the JSON,
// or of the disk; after any the last good copy of each event is there. ParseDir
// reads the copy. There must be one Sync at a time for a dir.
func Sync(ctx context.Context, c *fetch.Client, dir string, o SyncOptions) (changed bool, err error) {
	s := &syncer{o: o, client: c, dir: dir, base: strings.TrimSuffix(strings.TrimSuffix(o.URL, manifestFile), "/") + "/"}
	if err := s.load(); err != nil {
		return false, err
	}
	remote, validators, err := s.manifest(ctx)
	if err != nil || remote == nil {
		return false, err
	}
	err = s.events(ctx, remote)
	s.prune(remote)
	s.state = state{Source: s.base}
	if err == nil {
		s.state.Validators = validators // only then is the copy what the manifest says
	}
	return s.changed, errors.Join(err, s.save())
}

// state is what a copy remembers for the next sync.
type state struct {
	Source     string           `json:"source"`
	Validators fetch.Validators `json:"validators"`
}

// syncer is one Sync.
type syncer struct {
	o       SyncOptions
	client  *fetch.Client
	dir     string
	base    string // URL of the feed's folder
	state   state
	local   map[string]entry // what the copy has
	changed bool
}

// load reads what the copy has. A damaged copy has nothing: its events are
// fetched again.
func (s *syncer) load() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	file.Sweep(s.dir)
	s.local = make(map[string]entry)
	b, err := os.ReadFile(filepath.Join(s.dir, stateFile))
	if err != nil || json.Unmarshal(b, &s.state) != nil || s.state.Source != s.base {
		s.state = state{}
	}
	b, err = os.ReadFile(filepath.Join(s.dir, manifestFile))
	if err != nil {
		s.state.Validators = fetch.Validators{}
		return nil //nolint:nilerr // the first time there is none
	}
	entries, _, err := readManifest(bytes.NewReader(b))
	if err != nil {
		s.state.Validators = fetch.Validators{}
		return nil //nolint:nilerr // all is fetched again
	}
	for uuid, e := range entries {
		if info, err := os.Stat(s.path(uuid)); err == nil && info.Size() == e.Size {
			s.local[uuid] = e
		} else {
			s.state.Validators = fetch.Validators{}
		}
	}
	if s.state.Source == "" { // another feed's events are none of this one's
		s.state.Validators = fetch.Validators{}
		for uuid, e := range s.local {
			e.Timestamp = ""
			s.local[uuid] = e
		}
	}
	return nil
}

// path returns where an event lies. A uuid that is none never gets here.
func (s *syncer) path(uuid string) string { return filepath.Join(s.dir, uuid+".json") }

// manifest asks for the feed's manifest; nil: it has not changed.
func (s *syncer) manifest(ctx context.Context) (map[string]entry, fetch.Validators, error) {
	at := s.base + manifestFile
	resp, err := s.client.Do(ctx, fetch.Request{URL: at, Accept: "application/json", Secret: s.o.Secret, Validators: s.state.Validators, MaxBytes: maxManifest})
	if err != nil {
		return nil, fetch.Validators{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.NotModified {
		return nil, resp.Validators, nil
	}
	remote, _, err := readManifest(resp.Body)
	switch {
	case err != nil:
		err = fmt.Errorf("%s: %w", fetch.Redact(at), err)
	case len(remote) == 0 && len(s.local) > 0:
		err = fmt.Errorf("%s is empty now; the %d events of the copy stay", fetch.Redact(at), len(s.local))
	}
	return remote, resp.Validators, err
}

// events fetches what the copy lacks.
func (s *syncer) events(ctx context.Context, remote map[string]entry) error {
	var wanted []string
	size := int64(0)
	for _, uuid := range slices.Sorted(maps.Keys(remote)) {
		if have, ok := s.local[uuid]; !ok || have.Timestamp == "" || have.Timestamp != remote[uuid].Timestamp {
			wanted = append(wanted, uuid)
		} else {
			size += have.Size
		}
	}
	var first error
	failed, inARow := 0, 0
	for n, uuid := range wanted {
		if size > maxCopy {
			return errors.Join(first, fmt.Errorf("more than %d MiB of events", int64(maxCopy)>>20))
		}
		got, err := s.event(ctx, uuid)
		if err == nil {
			inARow = 0
			size += got
			s.local[uuid] = entry{Timestamp: remote[uuid].Timestamp, Size: got}
			s.changed = true
			if n%saveEvery == saveEvery-1 {
				if err := s.saveManifest(); err != nil {
					return err
				}
			}
		} else if failed, inARow = failed+1, inARow+1; first == nil {
			first = err
		}
		if ctx.Err() != nil || inARow >= maxFailures {
			break
		}
		if s.o.Progress != nil {
			s.o.Progress(n+1, len(wanted))
		}
	}
	if first != nil && failed > 1 {
		return fmt.Errorf("%d of %d events could not be fetched; the first error: %w", failed, len(wanted), first)
	}
	return first
}

// event fetches one event and puts it into its place when it is whole.
func (s *syncer) event(ctx context.Context, uuid string) (size int64, err error) {
	at := s.base + uuid + ".json"
	resp, err := s.client.Do(ctx, fetch.Request{URL: at, Accept: "application/json", Secret: s.o.Secret, MaxBytes: maxEvent})
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := file.Create(s.path(uuid))
	if err != nil {
		return 0, err
	}
	defer f.Discard()
	if size, err = check(io.TeeReader(resp.Body, f), uuid); err != nil {
		return 0, fmt.Errorf("event %s: %w", uuid, err)
	}
	return size, f.Commit()
}

// check reads a document to its end and returns its length when it is one event
// with a uuid.
func check(r io.Reader, uuid string) (size int64, err error) {
	counted := &counter{r: r}
	br := bufio.NewReader(counted)
	if err := ingest.Sniff(br); err != nil {
		return 0, err
	}
	events := 0
	d := &document{in: ingest.NewJSON(br), each: func(e *event) {
		if strings.EqualFold(e.uuid, uuid) {
			events++
		}
	}}
	if err := d.read(); err != nil {
		return 0, err
	}
	if events != 1 {
		return 0, fmt.Errorf("%w of this name", ErrNoEvents)
	}
	return counted.n, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// prune removes the events that the feed has no more.
func (s *syncer) prune(remote map[string]entry) {
	for uuid := range s.local {
		if _, ok := remote[uuid]; ok {
			continue
		}
		if err := os.Remove(s.path(uuid)); err == nil || errors.Is(err, fs.ErrNotExist) {
			delete(s.local, uuid)
			s.changed = true
		}
	}
}

// save writes what the copy has and how it came to it.
func (s *syncer) save() error {
	b, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	return errors.Join(s.saveManifest(), file.Replace(filepath.Join(s.dir, stateFile), b, 0o600))
}

func (s *syncer) saveManifest() error {
	b, err := json.Marshal(s.local)
	if err != nil {
		return err
	}
	return file.Replace(filepath.Join(s.dir, manifestFile), b, 0o600)
}

package misp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const (
	manifestFile = "manifest.json"
	// maxManifest bounds a manifest, in bytes: CIRCL's, of ten years, has 1 MB.
	maxManifest = 64 << 20
	// maxEvent bounds the document of one event, in bytes.
	maxEvent = 256 << 20
)

// entry is what a manifest says of an event. Other fields are left alone.
type entry struct {
	Timestamp ingest.Scalar `json:"timestamp"`
	Size      int64         `json:"size,omitempty"` // of the document, in a copy
}

// readManifest returns the entries by uuid, those with a uuid that is none left
// out and counted.
func readManifest(r io.Reader) (entries map[string]entry, bad int, err error) {
	limited := &io.LimitedReader{R: r, N: maxManifest}
	dec := json.NewDecoder(limited)
	var raw map[string]json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		if limited.N <= 0 {
			return nil, 0, fmt.Errorf("manifest is longer than %d MiB", maxManifest>>20)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, 0, fmt.Errorf("manifest ended early: %w", io.ErrUnexpectedEOF)
		}
		return nil, 0, fmt.Errorf("%w: manifest: %w", ErrNoEvents, err)
	}
	if raw == nil {
		return nil, 0, fmt.Errorf("%w: manifest is null", ErrNoEvents)
	}
	entries = make(map[string]entry, len(raw))
	for uuid, value := range raw {
		var e entry
		if !isUUID(uuid) || json.Unmarshal(value, &e) != nil {
			bad++
			continue
		}
		entries[uuid] = e
	}
	if bad > 0 && len(entries) == 0 {
		return nil, bad, fmt.Errorf("%w: none of the %d names in the manifest is a UUID", ErrNoEvents, bad)
	}
	return entries, bad, nil
}

// isUUID reports whether s is a UUID in its usual form, and thus fits a path or URL.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for at, c := range []byte(s) {
		dash := at == 8 || at == 13 || at == 18 || at == 23
		switch {
		case dash && c == '-':
		case !dash && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'):
		default:
			return false
		}
	}
	return true
}

// ParseDir reads the events of a folder: those of its manifest.json, or, without
// one, all <uuid>.json. An event that is damaged or missing costs that event and is
// counted. The error says that the folder cannot be read or that not one event
// could be. What does not lie in the folder itself is never opened.
func (Format) ParseDir(dir string, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, emit)
	return p.drops, p.folder(dir)
}

// folder reads the events of a folder.
func (p *parser) folder(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	uuids, err := p.list(root)
	if err != nil {
		return err
	}
	for _, uuid := range uuids {
		if err := p.file(root, uuid+".json"); err != nil {
			p.drops.Add(ingest.BadDocument, 0, uuid+": "+err.Error())
		}
	}
	if p.events == 0 && len(uuids) > 0 {
		return fmt.Errorf("%w: %s", ErrNoEvents, p.drops)
	}
	return nil
}

// list returns the uuids of the folder's events, in order.
func (p *parser) list(root *os.Root) ([]string, error) {
	f, err := root.Open(manifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return events(root)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, bad, err := readManifest(f)
	if err != nil {
		return nil, err
	}
	if bad > 0 {
		p.drops[ingest.BadDocument] = ingest.Drop{Count: bad, Text: "name in the manifest that is no UUID"}
	}
	return slices.Sorted(maps.Keys(entries)), nil
}

// events lists the folder itself.
func events(root *os.Root) ([]string, error) {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var uuids []string
	for _, f := range files {
		if uuid, ok := strings.CutSuffix(f.Name(), ".json"); ok && isUUID(uuid) {
			uuids = append(uuids, uuid)
		}
	}
	if uuids == nil {
		return nil, fmt.Errorf("%w: it has neither %s nor events", ErrNoEvents, manifestFile)
	}
	return uuids, nil
}

// file reads one event. It emits nothing unless the event is whole.
func (p *parser) file(root *os.Root, name string) error {
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file") // and opening a pipe would wait
	case info.Size() > maxEvent:
		return fmt.Errorf("is longer than %d MiB", maxEvent>>20)
	}
	f, err := root.Open(filepath.Base(name))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	before := p.events
	err = p.read(io.LimitReader(f, maxEvent))
	if err == nil && p.events == before {
		err = ErrNoEvents
	}
	return err
}

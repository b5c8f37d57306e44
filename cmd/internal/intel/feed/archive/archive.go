// Package archive keeps on disk what a server gives piece by piece: a document a
// line, each found by its id, and beside them what is needed to ask for the next
// piece. Whatever happens in between, the documents are those of the last Merge;
// an archive that is damaged opens empty, which costs asking for everything
// again. It knows no format and fetches nothing.
package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// The files of an archive.
const (
	// Documents holds the documents, one JSON object a line. It is never changed,
	// only replaced.
	Documents = "documents.ndjson"
	spoolFile = "spool.ndjson" // documents that came since the last Merge
	stateFile = "state.json"
)

// maxSize bounds each file, in bytes.
const maxSize = 1 << 30

// ErrFull is returned for a document that would make the archive larger than 1 GiB.
var ErrFull = fmt.Errorf("more than %d MiB of documents", maxSize>>20)

// Archive is one folder. It is not safe for concurrent use, and there must be one
// for a folder only.
type Archive struct {
	dir     string
	spool   *os.File
	w       *bufio.Writer
	size    int64           // of the spool, buffered bytes included
	pending map[string]span // by id: the last document that was added
	order   []string        // ids in pending, in the order of their first coming
	saved   saved
}

// span is where a line stands in the spool, its line end included.
type span struct{ at, len int64 }

// saved is the content of the state file.
type saved struct {
	Version int             `json:"version"`
	Size    int64           `json:"size"` // of the documents
	Sum     uint32          `json:"crc32c"`
	Spool   int64           `json:"spool"` // bytes that count
	State   json.RawMessage `json:"state"`
}

const version = 1

// Open opens or creates the archive in a folder, and reads its state into state.
// fresh says that it is new or was damaged: it holds no documents then, and
// state is left alone.
func Open(dir string, state any) (a *Archive, fresh bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, err
	}
	file.Sweep(dir)
	spool, err := os.OpenFile(filepath.Join(dir, spoolFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	a = &Archive{dir: dir, spool: spool, w: bufio.NewWriterSize(spool, 1<<20), pending: make(map[string]span)}
	if a.load(state) != nil {
		fresh = true
		if err := a.reset(); err != nil {
			_ = spool.Close()
			return nil, false, err
		}
	}
	return a, fresh, nil
}

// OpenFor is Open for a sync whose state says, at source, what it is of, such as the URL:
// where that is not what parts tell, or the archive is new, the state begins anew.
func OpenFor(dir string, state any, source *string, parts ...any) (*Archive, error) {
	is, err := json.Marshal(parts)
	if err != nil {
		return nil, err
	}
	a, fresh, err := Open(dir, state)
	if err == nil && (fresh || *source != string(is)) {
		reflect.ValueOf(state).Elem().SetZero()
		*source = string(is)
	}
	return a, err
}

// Read gives the documents of the last Merge in a folder to parse, unless there are
// none. Where there is no archive the error wraps fs.ErrNotExist.
func Read(dir string, parse func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(dir, Documents))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		return nil
	}
	return parse(f)
}

// load reads the state and checks that the other files are what it says.
func (a *Archive) load(state any) error {
	b, err := os.ReadFile(filepath.Join(a.dir, stateFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &a.saved); err != nil {
		return err
	}
	if a.saved.Version != version {
		return fmt.Errorf("version %d", a.saved.Version)
	}
	size, sum, err := checksum(filepath.Join(a.dir, Documents))
	if err != nil || size != a.saved.Size || sum != a.saved.Sum {
		return errors.Join(err, errDamaged)
	}
	if err := a.scanSpool(); err != nil {
		return err
	}
	return json.Unmarshal(a.saved.State, state)
}

var errDamaged = errors.New("is damaged")

// checksum reads a file; one that does not exist is empty.
func checksum(path string) (size int64, sum uint32, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	size, err = io.Copy(h, f)
	return size, h.Sum32(), err
}

// scanSpool finds the documents that came before a stop, and cuts what was
// written after the state was saved last.
func (a *Archive) scanSpool() error {
	info, err := a.spool.Stat()
	if err != nil || info.Size() < a.saved.Spool {
		return errors.Join(err, errDamaged)
	}
	if err := a.spool.Truncate(a.saved.Spool); err != nil {
		return err
	}
	r := bufio.NewReaderSize(a.spool, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		id, ok := idOf(line)
		if err != nil || !ok {
			return errors.Join(err, errDamaged)
		}
		a.note(id, int64(len(line)))
	}
}

// reset makes the archive empty.
func (a *Archive) reset() error {
	a.saved = saved{Version: version}
	for _, name := range []string{stateFile, Documents} {
		if err := os.Remove(filepath.Join(a.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return a.emptySpool()
}

func (a *Archive) emptySpool() error {
	a.size, a.order = 0, nil
	clear(a.pending)
	a.w.Reset(a.spool)
	if err := a.spool.Truncate(0); err != nil {
		return err
	}
	_, err := a.spool.Seek(0, io.SeekStart)
	return err
}

// prefix begins every line, the id and a quote following.
const prefix = `{"id":"`

// idOf returns the id of a line, which is copied.
func idOf(line []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(prefix))
	if !ok || !bytes.HasSuffix(line, []byte("}\n")) {
		return "", false
	}
	end := bytes.IndexByte(rest, '"')
	if end <= 0 {
		return "", false
	}
	return string(rest[:end]), true
}

// note takes down that a line of n bytes was added.
func (a *Archive) note(id string, n int64) {
	if _, known := a.pending[id]; !known {
		a.order = append(a.order, id)
	}
	a.pending[id] = span{a.size, n}
	a.size += n
}

// Add adds a document, to be merged later. Its first key must be "id", a string
// without escapes; one of the same id that is there already, or comes before the
// next Merge, is replaced.
func (a *Archive) Add(document any) error {
	line, err := json.Marshal(document)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	id, ok := idOf(line)
	if !ok {
		return errors.New("document without an id")
	}
	if a.size+int64(len(line)) > maxSize {
		return ErrFull
	}
	if _, err := a.w.Write(line); err != nil {
		return err
	}
	a.note(id, int64(len(line)))
	return nil
}

// Forget throws away what waits for the next Merge.
func (a *Archive) Forget() error { return a.emptySpool() }

// Save makes what was added, and a state that goes with it, survive a stop.
func (a *Archive) Save(state any) error {
	if err := a.w.Flush(); err != nil {
		return err
	}
	if err := a.spool.Sync(); err != nil {
		return err
	}
	a.saved.Spool = a.size
	return a.writeState(state)
}

func (a *Archive) writeState(state any) error {
	var err error
	if a.saved.State, err = json.Marshal(state); err != nil {
		return err
	}
	b, err := json.Marshal(a.saved)
	if err != nil {
		return err
	}
	return file.Replace(filepath.Join(a.dir, stateFile), b, 0o600)
}

// Close lets go of the files. What was added since the last Save or Merge is lost.
func (a *Archive) Close() error { return a.spool.Close() }

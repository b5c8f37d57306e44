package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// stateFile stands beside the last good copies of what a feed fetched.
const stateFile = "state.json"

// saved is what a feed has to know after a restart. All times are the wall
// clock's, which may have jumped since.
type saved struct {
	Version   int             `json:"version"`
	Type      string          `json:"type"` // copies of another type are of no use
	Documents []savedDocument `json:"documents,omitempty"`

	Loaded   time.Time `json:"loaded,omitzero"`  // when the version in use came
	Fresh    time.Time `json:"fresh,omitzero"`   // when it was last known to be the newest
	Attempt  time.Time `json:"attempt,omitzero"` // when it was last tried
	Failures int       `json:"failures,omitempty"`
	Problem  string    `json:"problem,omitempty"` // of the last failure
	// NotBefore is when the server wants to be asked again.
	NotBefore  time.Time `json:"not_before,omitzero"`
	Indicators int       `json:"indicators"`
}

// savedDocument is what is known of a last good copy.
type savedDocument struct {
	Source     string           `json:"source"` // a hash of where it came from, which may hold a key
	Sum        string           `json:"sha256"` // of the copy
	Validators fetch.Validators `json:"validators,omitzero"`
}

const savedVersion = 1

// maxState bounds the state file, in bytes.
const maxState = 1 << 20

// loadSaved reads a feed's state; what cannot be read is nothing known. known says
// whether there was any of this type.
func loadSaved(folder, typ string) (s saved, known bool) {
	empty := saved{Version: savedVersion, Type: typ}
	f, info, err := openFile(filepath.Join(folder, stateFile))
	if err != nil || info.Size() > maxState {
		if err == nil {
			_ = f.Close()
		}
		return empty, false
	}
	defer func() { _ = f.Close() }()
	if json.NewDecoder(io.LimitReader(f, maxState)).Decode(&s) != nil || s.Version != savedVersion || s.Type != typ {
		return empty, false
	}
	return s, true
}

// save writes the state.
func (n *network) save() error {
	b, err := json.MarshalIndent(&n.saved, "", "  ")
	if err != nil {
		return err
	}
	return file.Replace(filepath.Join(n.folder, stateFile), append(b, '\n'), 0o600)
}

// document returns what is known of the copy of document i, nothing where that
// came from elsewhere.
func (s *saved) document(i int, d *ingest.Document) savedDocument {
	if i < len(s.Documents) && s.Documents[i].Source == sourceOf(d) {
		return s.Documents[i]
	}
	return savedDocument{}
}

func (s *saved) setDocument(i int, d savedDocument) {
	for len(s.Documents) <= i {
		s.Documents = append(s.Documents, savedDocument{})
	}
	s.Documents[i] = d
}

// sourceOf tells one place of a document from another without telling it.
func sourceOf(d *ingest.Document) string {
	sum := sha256.Sum256([]byte(d.Method + "\n" + d.URL + "\n" + d.Body))
	return hex.EncodeToString(sum[:8])
}

// makeFolder makes the folder of a feed, whose parent may be missing, and removes
// what a former run left half-written.
func (n *network) makeFolder() error {
	if err := os.MkdirAll(n.folder, 0o750); err != nil {
		return err
	}
	file.Sweep(n.folder)
	return nil
}

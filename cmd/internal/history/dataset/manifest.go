package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// manifest says what a day consists of.
type manifest struct {
	Version int `json:"version"`
	// Log is the last segment of the log whose records of this day stand in Files:
	// they are written in order.
	Log   uint64  `json:"log"`
	Files []entry `json:"files"`
	// Damaged are files that were set aside, and how many flows they held.
	Damaged []damaged `json:"damaged,omitempty"`
}

type entry struct {
	Name string `json:"name"`
	column.Info
}

type damaged struct {
	Name  string `json:"name"`
	Why   string `json:"why"`
	Flows int64  `json:"flows,omitempty"`
}

const (
	manifestVersion = 1
	manifestLimit   = 64 << 20
	checksumWord    = "\ncrc32c "
)

var (
	errManifest = errors.New("the manifest is damaged")
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
)

func (m *manifest) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // numbers and names
	}
	sum := crc32.Checksum(b, castagnoli)
	return append(strconv.AppendUint(append(b, checksumWord...), uint64(sum), 16), '\n')
}

func parseManifest(b []byte) (*manifest, error) {
	body, sum, ok := bytes.Cut(b, []byte(checksumWord))
	want, err := strconv.ParseUint(strings.TrimSuffix(string(sum), "\n"), 16, 32)
	if !ok || err != nil || uint32(want) != crc32.Checksum(body, castagnoli) {
		return nil, errManifest
	}
	m := &manifest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, errManifest
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("the manifest has version %d, this program reads %d", m.Version, manifestVersion)
	}
	return m, nil
}

// readManifest returns what a day consists of. Where the manifest is missing or
// damaged it is made anew from the files, which say what they replace; rebuilt says
// so. unreadable are files that cannot be taken in then.
func readManifest(dir string) (m *manifest, rebuilt bool, err error) {
	b, err := file.Read(filepath.Join(dir, manifestName), manifestLimit)
	if err == nil {
		if m, err = parseManifest(b); err == nil {
			return m, false, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errManifest) {
		return nil, false, err
	}
	m, err = rebuild(dir)
	return m, true, err
}

// rebuild makes a manifest of the files of a day.
func rebuild(dir string) (*manifest, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	m := &manifest{Version: manifestVersion}
	gone := map[string]bool{}
	for _, e := range entries {
		name, ok := parseName(e.Name())
		if !ok {
			continue
		}
		f, err := column.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				m.Damaged = append(m.Damaged, damaged{Name: e.Name(), Why: err.Error()})
			}
			continue
		}
		m.Files = append(m.Files, entry{e.Name(), f.Info})
		if replaces, ok := f.Lookup(metaReplaces); ok {
			for old := range strings.FieldsSeq(replaces) {
				gone[old] = true
			}
		}
		m.Log = max(m.Log, name.Number)
		_ = f.Close()
	}
	m.Files = slices.DeleteFunc(m.Files, func(e entry) bool { return gone[e.Name] })
	return m, nil
}

// metaReplaces names, in a file's metadata, the files that it was made from.
const metaReplaces = "flowhound.replaces"

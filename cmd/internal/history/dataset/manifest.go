package dataset

import (
	"bytes"
	"encoding/binary"
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
	Version int     `json:"version"`
	Filed   mark    `json:"filed"` // which segments of the log have their records of this day in Files
	Files   []entry `json:"files"`
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

// readManifest returns what a day of a data set consists of; log is the id of the data
// set's log, "" where it has none. Where the manifest is missing, damaged or another data
// set's it is made anew from the files, which say what they replace; rebuilt says so.
func readManifest(root, day, log string) (m *manifest, rebuilt bool, err error) {
	dir := filepath.Join(root, day)
	b, err := file.Read(filepath.Join(dir, manifestName), manifestLimit)
	if err == nil {
		if m, err = parseManifest(b); err == nil && (log == "" || m.Filed.of(log, day)) {
			return m, false, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errManifest) {
		return nil, false, err
	}
	m, err = rebuild(root, mark{log: log, day: day})
	return m, true, err
}

// indexKey is what an index calls a file: its name, and a checksum of what the manifest
// says of it and of the kind of index. An index of another history, day or kind is then
// not taken for this one, even if its files have the same names.
func indexKey(magic, name string, of *column.Info) string {
	b := []byte(magic)
	for _, n := range []int64{of.Size, of.Rows, of.Flows, int64(of.Groups), of.Start, of.End, of.First, of.Last} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return name + " " + strconv.FormatUint(uint64(crc32.Checksum(b, castagnoli)), 16)
}

func (e *entry) key(magic string) string { return indexKey(magic, e.Name, &e.Info) }

// foreign reports whether an index speaks of a file that has the name of one of this
// day, and is another.
func (m *manifest) foreign(magic, key string) bool {
	name, _, bound := strings.Cut(key, " ") // an earlier version wrote names alone
	return bound && slices.ContainsFunc(m.Files, func(e entry) bool { return e.Name == name && e.key(magic) != key })
}

// lists reports whether a file belongs to the day.
func (m *manifest) lists(name string) bool {
	return slices.ContainsFunc(m.Files, func(e entry) bool { return e.Name == name })
}

// add adds files that were made. One that stands there already was found by a rebuild.
func (m *manifest) add(made []entry) {
	for _, e := range made {
		if !m.lists(e.Name) {
			m.Files = append(m.Files, e)
		}
	}
}

// rebuild makes a manifest of the files of a day. Those that have no mark of this log are
// taken in, and say nothing about it.
func rebuild(root string, filed mark) (*manifest, error) {
	dir := filepath.Join(root, filed.day)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	m := &manifest{Version: manifestVersion, Filed: filed}
	gone := map[string]bool{}
	from := map[string]uint64{} // segments that parts were made of
	for _, e := range entries {
		if _, ok := parseName(e.Name()); !ok {
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
		if at := markOf(f.Lookup); at.of(filed.log, filed.day) {
			m.Filed.segment = max(m.Filed.segment, at.segment)
		}
		if n, ok := segmentOf(f.Lookup, filed.log, filed.day); ok {
			from[e.Name()] = n
		}
		_ = f.Close()
	}
	m.Files = slices.DeleteFunc(m.Files, func(e entry) bool {
		// A segment that is not filed to its end is filed again.
		return gone[e.Name] || from[e.Name] > m.Filed.segment && inLog(root, from[e.Name])
	})
	return m, nil
}

// metaReplaces names, in a file's metadata, the files that it was made from.
const metaReplaces = "flowhound.replaces"

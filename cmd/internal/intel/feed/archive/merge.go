package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// Merge makes the added documents part of the archive, and saves a state that
// goes with it. Documents that were not added are kept, unless gone says
// otherwise of one. It reports whether the documents have changed.
func (a *Archive) Merge(state any, gone func(id string, document []byte) bool) (changed bool, err error) {
	return a.merge(state, gone, false)
}

// Publish makes the added documents part of the archive like Merge, which drops
// none, and still remembers what was added, for the Merge that is to come.
func (a *Archive) Publish(state any) (changed bool, err error) {
	return a.merge(state, nil, true)
}

func (a *Archive) merge(state any, gone func(id string, document []byte) bool, remember bool) (changed bool, err error) {
	if err := a.w.Flush(); err != nil {
		return false, err
	}
	out, err := file.Create(filepath.Join(a.dir, Documents))
	if err != nil {
		return false, err
	}
	defer out.Discard()
	m := &merger{a: a, w: bufio.NewWriterSize(out, 1<<20), sum: crc32.New(crc32.MakeTable(crc32.Castagnoli)), gone: gone, done: make(map[string]bool)}
	if err := errors.Join(m.run(), m.w.Flush()); err != nil {
		return false, fmt.Errorf("merging %s: %w", a.dir, err)
	}
	if m.changed || m.missing {
		if err := out.Commit(); err != nil {
			return false, err
		}
		a.saved.Size, a.saved.Sum = m.size, m.sum.Sum32()
	}
	// A stop between the two renames leaves documents that the state does not
	// know: they are asked for again then.
	if remember {
		return m.changed, a.Save(state)
	}
	a.saved.Spool = 0
	if err := a.writeState(state); err != nil {
		return m.changed, err
	}
	return m.changed, a.emptySpool()
}

// merger writes the documents of one Merge.
type merger struct {
	a       *Archive
	w       *bufio.Writer
	size    int64
	sum     hash.Hash32
	gone    func(id string, document []byte) bool
	done    map[string]bool // of those in the spool: written
	changed bool
	missing bool // there were no documents yet
}

func (m *merger) run() error {
	if err := m.old(); err != nil {
		return err
	}
	for _, id := range m.a.order {
		if m.done[id] {
			continue
		}
		line, err := m.added(id)
		if err == nil {
			m.changed = true
			err = m.write(line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// old goes through the documents that are there.
func (m *merger) old() error {
	f, err := os.Open(filepath.Join(m.a.dir, Documents))
	if errors.Is(err, fs.ErrNotExist) {
		m.missing = true
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		id, ok := idOf(line)
		if err != nil || !ok {
			return errors.Join(err, errDamaged)
		}
		if err := m.one(id, line); err != nil {
			return err
		}
	}
}

// one decides what becomes of a document that is there.
func (m *merger) one(id string, line []byte) error {
	if _, ok := m.a.pending[id]; ok {
		added, err := m.added(id)
		if err != nil {
			return err
		}
		m.done[id] = true
		m.changed = m.changed || !bytes.Equal(added, line)
		return m.write(added)
	}
	if m.gone != nil && m.gone(id, line) {
		m.changed = true
		return nil
	}
	return m.write(line)
}

// added reads a document from the spool.
func (m *merger) added(id string) ([]byte, error) {
	at := m.a.pending[id]
	line := make([]byte, at.len)
	_, err := m.a.spool.ReadAt(line, at.at)
	return line, err
}

func (m *merger) write(line []byte) error {
	if m.size += int64(len(line)); m.size > maxSize {
		return ErrFull
	}
	_, _ = m.sum.Write(line) // never fails
	_, err := m.w.Write(line)
	return err
}

package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// A cursor's file has two slots that are written in turn, so that neither a torn
// write nor a flipped byte costs more than what was done since the last but one. It
// never grows, so that a full disk takes it too:
//
//	magic 4 | number of the record that comes next 8 | limit 8 | CRC-32C 4
const (
	slotSize    = 24
	cursorMagic = 0x31434846 // "FHC1"
)

func (c *Cursor) path() string { return filepath.Join(c.j.o.Dir, c.name+cursorSuffix) }

// load reads the file; what says what is wrong with it.
func (c *Cursor) load() (what string) {
	b, err := os.ReadFile(c.path())
	if err == nil {
		for i := 0; i+slotSize <= len(b) && i < 2*slotSize; i += slotSize {
			s := b[i : i+slotSize]
			if le.Uint32(s) == cursorMagic && checksum(s[:slotSize-4]) == le.Uint32(s[slotSize-4:]) && le.Uint64(s[4:]) > c.at {
				c.at, c.limit, c.slot = le.Uint64(s[4:]), int64(le.Uint64(s[12:])), 1-i/slotSize
			}
		}
	}
	if c.at == 0 { // the oldest record: better twice than never
		c.at = 1
		if err == nil {
			err = errors.New("its checksum is wrong")
			file.SetAside(c.path())
		}
		what = fmt.Sprintf("the cursor of %s cannot be read (%s): it starts again at the oldest record", c.name, err)
	}
	c.from, c.acked = c.at, c.at-1
	return what
}

// save writes how far the consumer is. A place that cannot be written is tried
// again with the next one.
func (c *Cursor) save() {
	c.j.mu.Lock()
	at, limit := c.acked+1, c.limit
	c.j.mu.Unlock()
	b := le.AppendUint32(make([]byte, 0, slotSize), cursorMagic)
	b = le.AppendUint64(le.AppendUint64(b, at), uint64(limit))
	b = le.AppendUint32(b, checksum(b))
	var err error
	if c.file == nil {
		c.file, err = os.OpenFile(c.path(), os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err == nil {
		_, err = c.file.WriteAt(b, int64(c.slot)*slotSize)
		c.slot = 1 - c.slot
	}
	c.unsaved.Note(err)
}

package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Up to version 1.2 each output had a spool of its own, data_dir/spool/NAME. Its
// segments hold records:
//
//	magic 4 | CRC-32C of what follows 4 | length 4 | tries 4 | seq 8 | at 8 | the hit as JSON
//
// and cursor the number of the first that was not delivered, as text.
const (
	spoolHeader  = 32
	spoolPayload = 1 << 20 // the most
	spoolMagic   = "\xf1FH1"
	// spoolFlush is how many records are moved before the disk is waited for.
	spoolFlush = 1000
)

// takeSpool moves what waits in the spool of an earlier version into the journal. A
// kill amid it delivers some twice; what cannot be read is counted and said.
func (o *Outputs) takeSpool(ctx context.Context, c *Config, name string) {
	dir := filepath.Join(c.DataDir, "spool", name)
	if _, err := os.Stat(dir); err != nil {
		return
	}
	letters, err := filepath.Glob(filepath.Join(dir, "*.ndjson*"))
	if len(letters) > 0 {
		err = os.MkdirAll(c.DeadDir(name), 0o700)
	}
	for _, path := range letters {
		err = errors.Join(err, file.Move(path, filepath.Join(c.DeadDir(name), filepath.Base(path))))
	}
	moved, lost := 0, 0
	if err == nil {
		moved, lost, err = o.moveSpool(ctx, dir, output.CursorOf(name))
	}
	if err == nil {
		err = o.d.Journal.Flush(ctx)
	}
	if err != nil {
		o.d.Log.Error("hits of an earlier version's spool cannot be moved into the journal; they are tried again at the next start", "spool", dir, "err", err)
		o.report(name, "down", "hits wait in the spool of an earlier version and cannot be moved into the journal: "+err.Error())
		return
	}
	if lost > 0 {
		o.report(name, "dropping", fmt.Sprintf("%d hits in the spool of an earlier version were damaged and are lost", lost))
	}
	o.d.Log.Info("the spool of an earlier version was moved into the journal", "output", name, "hits", moved, "lost", lost)
	if err := os.RemoveAll(dir); err != nil {
		o.d.Log.Warn("the spool of an earlier version cannot be removed; its hits would be delivered again at the next start", "err", err)
	}
	_ = os.Remove(filepath.Dir(dir)) // when it was the last one
}

func (o *Outputs) moveSpool(ctx context.Context, dir, cursor string) (moved, lost int, err error) {
	o.d.Journal.Cursor(cursor, 0)
	segments, err := filepath.Glob(filepath.Join(dir, "*.segment"))
	if err != nil {
		return 0, 0, err
	}
	slices.Sort(segments)
	next := spoolCursor(dir)
	for _, path := range segments {
		first, _ := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), ".segment"), 10, 63)
		if first > next {
			lost += int(first - next)
			next = first
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return moved, lost, err
		}
		for len(b) > 0 {
			r, n := spoolRecord(b)
			b = b[n:]
			if r == nil || r.Seq < next {
				continue
			}
			lost += int(r.Seq - next)
			next = r.Seq + 1
			if r.Hit == nil {
				lost++
				continue
			}
			r.To = []string{cursor}
			if _, err := o.d.Journal.Append(r); err != nil {
				return moved, lost, err
			}
			if moved++; moved%spoolFlush == 0 {
				if err := o.d.Journal.Written(ctx); err != nil {
					return moved, lost, err
				}
			}
		}
	}
	return moved, lost, nil
}

// spoolCursor returns the number of the first record that was not delivered: of a
// cursor that cannot be read the first of all.
func spoolCursor(dir string) uint64 {
	b, _ := os.ReadFile(filepath.Join(dir, "cursor"))
	n, err := strconv.ParseUint(strings.TrimSuffix(string(b), "\n"), 10, 63)
	if err != nil {
		return 1
	}
	return max(n, 1)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// spoolRecord reads the record at the beginning of b, nil where there is none, and
// returns how many bytes to go on. Its Seq is that of the spool.
func spoolRecord(b []byte) (*journal.Record, int) {
	le := binary.LittleEndian
	if len(b) >= spoolHeader && string(b[:4]) == spoolMagic {
		n := le.Uint32(b[8:])
		end := min(spoolHeader+int64(n), int64(len(b)))
		if n <= spoolPayload && crc32.Checksum(b[8:end], castagnoli) == le.Uint32(b[4:]) {
			r := &journal.Record{Seq: le.Uint64(b[16:]), Tries: le.Uint32(b[12:]), At: time.Unix(0, int64(le.Uint64(b[24:]))), Hit: new(hit.Hit)}
			if err := r.Hit.UnmarshalJSON(b[spoolHeader:end]); err != nil {
				r.Hit = nil
			}
			return r, int(end)
		}
	}
	if i := bytes.Index(b[1:], []byte(spoolMagic)); i >= 0 {
		return nil, 1 + i
	}
	return nil, len(b)
}

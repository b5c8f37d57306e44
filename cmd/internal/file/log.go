package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxRecord bounds one record of a Log, in bytes.
const MaxRecord = 1 << 20

const (
	recordHeader = 12 // mark 4, CRC-32C of the rest 4, length 4
	asideSuffix  = ".unreadable"
)

var (
	recordMark = [4]byte{0xf1, 'F', 'H', 'L'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Log is a file that only grows: a first line that names its kind and version,
// then records, each with a length and a checksum. A record whose Append returned
// nil survives the death of this process, and after Sync a power failure. A Log is
// for one goroutine.
type Log struct {
	f    *os.File
	kind string
	size int64 // of what is whole
	torn bool  // a write failed half-way and could not be taken back
	buf  []byte
}

// Found is what OpenLog read.
type Found struct {
	Records  int
	Repaired int    // of Records: only their length was damaged
	Lost     int64  // bytes that were damaged: they hold no whole record
	Torn     int64  // bytes at the end, of a record that was never written whole
	Aside    string // where a file of another kind or version was moved, else empty
}

// OpenLog opens or creates the log at path and gives every whole record to each,
// in the order in which they were appended; the slice is valid during the call.
// Damage costs the records that it hit: reading goes on behind it, and a torn end
// is cut off. A file of another kind is moved aside. An error of each ends the
// opening. kind is the first line, for example "flowhound-templates 1".
func OpenLog(path, kind string, each func(record []byte) error) (*Log, Found, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, Found{}, err
	}
	l := &Log{f: f, kind: kind + "\n"}
	found, err := l.read(each)
	if errors.Is(err, errKind) {
		found = Found{Lost: found.Lost, Aside: path + asideSuffix}
		err = errors.Join(f.Close(), Move(path, found.Aside))
		if err == nil {
			l.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		}
		if err != nil {
			return nil, found, err
		}
	}
	if err == nil && l.size == 0 {
		err = l.Reset()
		_ = SyncFolder(filepath.Dir(path))
	} else if err == nil {
		err = l.f.Truncate(l.size)
	}
	if err != nil {
		return nil, found, errors.Join(err, l.f.Close())
	}
	return l, found, nil
}

// ReadLog gives every whole record of the log at path to each, as OpenLog does, and
// changes nothing: another process may be writing it. A file that does not exist, or is
// of another kind, has no records.
func ReadLog(path, kind string, each func(record []byte) error) error {
	f, _, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	l := &Log{f: f, kind: kind + "\n"}
	if _, err = l.read(each); errors.Is(err, errKind) {
		return nil
	}
	return err
}

var errKind = errors.New("another kind of file")

func (l *Log) read(each func([]byte) error) (found Found, err error) {
	r := bufio.NewReaderSize(l.f, recordHeader+MaxRecord)
	first, err := r.Peek(len(l.kind))
	switch {
	case errors.Is(err, io.EOF) && l.kind[:len(first)] == string(first): // empty, or torn at its birth
		return Found{Torn: int64(len(first))}, nil
	case err != nil && !errors.Is(err, io.EOF):
		return found, err
	case string(first) != l.kind:
		info, err := l.f.Stat()
		if err != nil {
			return found, err
		}
		return Found{Lost: info.Size()}, errKind
	}
	_, _ = r.Discard(len(first)) // it was peeked at
	l.size = int64(len(first))
	at, torn := l.size, false
	for {
		record, err := peekRecord(r)
		if errors.Is(err, errLength) {
			found.Repaired++
			err = nil
		}
		if errors.Is(err, errDamaged) { // look for the next one behind it
			torn = torn || errors.Is(err, errShort) && at == l.size
			_, _ = r.Discard(1)
			at++
			found.Lost++
			continue
		}
		if errors.Is(err, io.EOF) {
			if torn {
				found.Torn = at - l.size
				found.Lost -= found.Torn
			}
			return found, nil
		}
		if err == nil {
			err = each(record)
		}
		if err != nil {
			return found, err
		}
		found.Records++
		n, _ := r.Discard(recordHeader + len(record))
		at += int64(n)
		l.size, torn = at, false
	}
}

var (
	errDamaged = errors.New("a record is not complete")
	errShort   = fmt.Errorf("the file ends in it: %w", errDamaged)
	errLength  = errors.New("only its length is damaged")
)

// peekRecord returns the record at which r stands, and io.EOF at the end. errLength says
// that the record is whole and its length is not.
func peekRecord(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(recordHeader)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			if n := min(len(head), len(recordMark)); !bytes.Equal(head[:n], recordMark[:n]) {
				return nil, errDamaged
			}
			return nil, errShort
		}
		return nil, err
	}
	if [4]byte(head) != recordMark {
		return nil, errDamaged
	}
	n := binary.LittleEndian.Uint32(head[8:])
	broken := errDamaged
	if n <= MaxRecord {
		b, err := r.Peek(recordHeader + int(n))
		switch {
		case errors.Is(err, io.EOF):
			broken = errShort
		case err != nil:
			return nil, err
		case crc32.Checksum(b[8:], castagnoli) == binary.LittleEndian.Uint32(b[4:]):
			return b[recordHeader:], nil
		}
	}
	b, err := r.Peek(recordHeader + MaxRecord)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if record := measured(b); record != nil {
		return record, errLength
	}
	return nil, broken
}

// measured returns the record at the beginning of b if it ends where the next one begins,
// or where b does, whatever its length says; else nil.
func measured(b []byte) []byte {
	record := b[recordHeader:]
	if end := bytes.Index(record, recordMark[:]); end >= 0 {
		record = record[:end]
	}
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(record))) //nolint:gosec // MaxRecord at most
	if crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, record) != binary.LittleEndian.Uint32(b[4:]) {
		return nil
	}
	return record
}

// Append writes a record with one write(2). After an error nothing of it is left.
func (l *Log) Append(record []byte) error {
	if err := l.frame(record); err != nil {
		return err
	}
	return l.write(l.buf)
}

// frame puts a record with its header into l.buf.
func (l *Log) frame(record []byte) error {
	if len(record) > MaxRecord {
		return fmt.Errorf("%s: a record of %d bytes is larger than the limit of %d", l.f.Name(), len(record), MaxRecord)
	}
	b := append(l.buf[:0], recordMark[:]...)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(record)))
	b = append(b, record...)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	l.buf = b
	return nil
}

// Rewrite replaces all records, in one step, by those that fill adds. After an error
// the log is as it was.
func (l *Log) Rewrite(fill func(add func(record []byte) error) error) error {
	path := l.f.Name()
	p, err := Create(path)
	if err != nil {
		return err
	}
	defer p.Discard()
	w := bufio.NewWriterSize(p, 64<<10)
	size, err := w.WriteString(l.kind)
	if err != nil {
		return err
	}
	err = fill(func(record []byte) error {
		if err := l.frame(record); err != nil {
			return err
		}
		size += len(l.buf)
		_, err := w.Write(l.buf)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = p.Commit()
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_ = l.f.Close() // what it held has been replaced
	l.f, l.size, l.torn = f, int64(size), false
	return nil
}

func (l *Log) write(b []byte) error {
	if l.torn {
		if err := l.f.Truncate(l.size); err != nil {
			return err
		}
		l.torn = false
	}
	if _, err := l.f.Write(b); err != nil {
		l.torn = l.f.Truncate(l.size) != nil
		return err
	}
	l.size += int64(len(b))
	return nil
}

// Size returns the length of the file in bytes.
func (l *Log) Size() int64 { return l.size }

// Sync brings to the disk what was appended.
func (l *Log) Sync() error { return l.f.Sync() }

// Reset removes all records, after a snapshot that holds what they said.
func (l *Log) Reset() error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	l.size, l.torn = 0, false
	return l.write([]byte(l.kind))
}

// Close closes the file.
func (l *Log) Close() error { return l.f.Close() }

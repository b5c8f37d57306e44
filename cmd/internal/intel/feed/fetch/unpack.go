package fetch

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/flowhound/flowhound/plugin/text"
)

// Unpack opens a document that was fetched or saved, size bytes of r: gzip is
// unpacked, of a zip file its only regular file, or the one called member, and
// anything else is read as it is. At most limit bytes are read, then the reader
// returns ErrTooLarge. Other errors are ErrArchive and ErrTruncated, wrapped.
func Unpack(r io.ReaderAt, size int64, member string, limit int64) (io.ReadCloser, error) {
	head := make([]byte, 6)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head, err = head[:n], nil
	var in io.ReadCloser
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06")):
		in, err = unzip(r, size, member)
	case member != "":
		err = fmt.Errorf("%w: it is not a zip file, so there is no %q in it", ErrArchive, text.Excerpt(member, 80))
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		in, err = gzip.NewReader(io.NewSectionReader(r, 0, size))
		err = packed(err)
	case foreign(head) != "":
		err = fmt.Errorf("%w: it is packed with %s, but only gzip and zip can be read", ErrArchive, foreign(head))
	default:
		in = io.NopCloser(io.NewSectionReader(r, 0, size))
	}
	if err != nil {
		return nil, err
	}
	return &unpacked{capped{r: in, left: limit, limit: limit}, in}, nil
}

// foreign names the packer whose files begin with head, "" for none that is known.
func foreign(head []byte) string {
	for magic, name := range map[string]string{"BZh": "bzip2", "\xfd7zXZ": "xz", "\x28\xb5\x2f\xfd": "zstd", "7z\xbc\xaf": "7-Zip", "Rar!": "RAR"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	return ""
}

type unpacked struct {
	capped
	in io.Closer
}

// Close ends reading; what was read from stays open.
func (u *unpacked) Close() error { return u.in.Close() }

func unzip(r io.ReaderAt, size int64, member string) (io.ReadCloser, error) {
	if err := checkDirectory(r, size); err != nil {
		return nil, err
	}
	// Its offsets may be negative; a section answers those with its end.
	z, err := zip.NewReader(io.NewSectionReader(r, 0, size), size)
	if err != nil {
		return nil, zipError(err)
	}
	var found *zip.File
	files := 0
	for _, f := range z.File {
		if !f.Mode().IsRegular() || strings.HasPrefix(f.Name, "__MACOSX/") {
			continue
		}
		files++
		if member == "" || f.Name == member || path.Base(f.Name) == member {
			found = f
		}
	}
	switch {
	case found == nil && member != "":
		return nil, fmt.Errorf("%w: there is no %q in the zip file", ErrArchive, text.Excerpt(member, 80))
	case found == nil:
		return nil, fmt.Errorf("%w: the zip file is empty", ErrArchive)
	case member == "" && files > 1:
		return nil, fmt.Errorf("%w: the zip file holds %d files; name the one to read with member: (%s is one)", ErrArchive, files, text.Excerpt(found.Name, 80))
	case found.Flags&1 != 0:
		return nil, fmt.Errorf("%w: the zip file has a password", ErrArchive)
	}
	in, err := found.Open()
	return in, zipError(err)
}

// zipError is packed for what is looked up in a zip file: nothing may end there.
func zipError(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrTruncated
	}
	return packed(err)
}

// maxDirectory bounds a zip file's table of contents, in bytes: some ten
// thousand files. The zip library would read any number of them into memory.
const maxDirectory = 1 << 20

// checkDirectory finds the end of the table of contents (APPNOTE.TXT, 4.3.16) as
// the zip library does, and rejects a table that is too long.
func checkDirectory(r io.ReaderAt, size int64) error {
	const endLen = 22
	tail := make([]byte, min(size, endLen+65535))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for i := len(tail) - endLen; i >= 0; i-- {
		if !bytes.HasPrefix(tail[i:], []byte("PK\x05\x06")) {
			continue
		}
		length := int64(binary.LittleEndian.Uint32(tail[i+12:]))
		offset := int64(binary.LittleEndian.Uint32(tail[i+16:]))
		end := size - int64(len(tail)-i)
		if length > maxDirectory || end-offset > maxDirectory {
			return fmt.Errorf("%w: the zip file's table of contents is too long", ErrArchive)
		}
		return nil
	}
	return fmt.Errorf("%w: the zip file has no table of contents", ErrTruncated)
}

// isDamage reports whether an unpacker met damage.
func isDamage(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrAlgorithm) || errors.Is(err, zip.ErrChecksum)
}

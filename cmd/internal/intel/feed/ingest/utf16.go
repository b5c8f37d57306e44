package ingest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// textOf returns r, or where it begins with the byte order mark of UTF-16, in which
// Windows' editors and PowerShell save lists, the same as UTF-8.
func textOf(r *bufio.Reader) *bufio.Reader {
	head, _ := r.Peek(2) // shorter at the end of the document; the reader meets the error again
	var order binary.ByteOrder
	switch {
	case bytes.Equal(head, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.Equal(head, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return r
	}
	_, _ = r.Discard(2)
	return bufio.NewReaderSize(&utf16Reader{r: r, order: order}, MaxLine)
}

// utf16Reader gives UTF-16 as UTF-8. Half a pair and half a unit are U+FFFD.
type utf16Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	out   []byte // not read yet
	buf   [utf8.UTFMax]byte
}

func (u *utf16Reader) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if len(u.out) > 0 {
			moved := copy(b[n:], u.out)
			u.out = u.out[moved:]
			n += moved
			continue
		}
		if n > 0 && u.r.Buffered() < 2 {
			return n, nil
		}
		c, err := u.next()
		if err != nil {
			return n, err
		}
		u.out = u.buf[:utf8.EncodeRune(u.buf[:], c)]
	}
	return n, nil
}

// next reads one character.
func (u *utf16Reader) next() (rune, error) {
	var pair [2]byte
	if _, err := io.ReadFull(u.r, pair[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return utf8.RuneError, nil // the next read meets the end
		}
		return 0, err
	}
	c := rune(u.order.Uint16(pair[:]))
	if !utf16.IsSurrogate(c) {
		return c, nil
	}
	if low, err := u.r.Peek(2); err == nil {
		if both := utf16.DecodeRune(c, rune(u.order.Uint16(low))); both != utf8.RuneError {
			_, _ = u.r.Discard(2)
			return both, nil
		}
	}
	return utf8.RuneError, nil
}

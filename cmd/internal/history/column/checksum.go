package column

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"sync"
)

// Parquet checks the content of a page and nothing else: a flipped bit in a page's
// header or in the footer can make other rows, or ask for gigabytes. So a file
// carries checksums of every 8 KiB of its pages in its metadata (0.05% of its size),
// and of its footer in the 16 bytes before it, which other readers skip.
const (
	sumBlock  = 8 << 10
	tailMagic = "FLOWHND1"
	tailSize  = len(tailMagic) + 8 // the magic, CRC-32C of footer, length and magic of Parquet; 4 bytes of zero
	endSize   = 8                  // the footer's length and "PAR1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged is wrapped by all errors about a file whose content is not what
// flowhound wrote.
var ErrDamaged = errors.New("damaged")

// summing passes pages on and sums them up; after seal it holds back what comes.
type summing struct {
	w      io.Writer
	size   int64
	sums   []byte
	sum    uint32
	sealed bool
	held   []byte
}

func (s *summing) Write(b []byte) (int, error) {
	if s.sealed {
		s.held = append(s.held, b...)
		return len(b), nil
	}
	for rest := b; len(rest) > 0; {
		n := min(len(rest), int(sumBlock-s.size%sumBlock))
		s.sum = crc32.Update(s.sum, castagnoli, rest[:n])
		if s.size += int64(n); s.size%sumBlock == 0 {
			s.next()
		}
		rest = rest[n:]
	}
	return s.w.Write(b)
}

func (s *summing) next() {
	s.sums = binary.LittleEndian.AppendUint32(s.sums, s.sum)
	s.sum = 0
}

// seal ends the pages and returns their checksums.
func (s *summing) seal() string {
	if s.size%sumBlock != 0 {
		s.next()
	}
	s.sealed = true
	return strconv.FormatInt(s.size, 10) + ":" + base64.StdEncoding.EncodeToString(s.sums)
}

// finish writes what was held back, with the checksum of the footer before it.
func (s *summing) finish() (size int64, err error) {
	n := len(s.held)
	footer := int(binary.LittleEndian.Uint32(s.held[n-endSize:])) + endSize
	tail := append([]byte{}, tailMagic...)
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(s.held[n-footer:], castagnoli))
	tail = append(tail, 0, 0, 0, 0)
	for _, b := range [][]byte{s.held[:n-footer], tail, s.held[n-footer:]} {
		if _, err := s.w.Write(b); err != nil {
			return 0, err
		}
	}
	return s.size + int64(n+tailSize), nil
}

// checkFooter reports whether the footer of a file is the one that was written.
func checkFooter(r io.ReaderAt, size int64) error {
	var end [endSize]byte
	if size < int64(tailSize+2*endSize) {
		return fmt.Errorf("%w: %d bytes are too few", ErrDamaged, size)
	}
	if _, err := r.ReadAt(end[:], size-endSize); err != nil {
		return err
	}
	footer := int64(binary.LittleEndian.Uint32(end[:])) + endSize
	if string(end[4:]) != "PAR1" || footer > size-int64(tailSize) || footer > maxFooter {
		return fmt.Errorf("%w: it does not end as Parquet does", ErrDamaged)
	}
	b := make([]byte, int64(tailSize)+footer)
	if _, err := r.ReadAt(b, size-int64(len(b))); err != nil {
		return err
	}
	if string(b[:len(tailMagic)]) != tailMagic {
		return fmt.Errorf("%w: flowhound has not written it", ErrDamaged)
	}
	if crc32.Checksum(b[tailSize:], castagnoli) != binary.LittleEndian.Uint32(b[len(tailMagic):]) {
		return fmt.Errorf("%w: the checksum of its footer is wrong", ErrDamaged)
	}
	return nil
}

// maxFooter bounds the footer that is read: 4 M arrivals take 20 MB.
const maxFooter = 256 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// checked reads a file and checks all that it reads of its pages.
type checked struct {
	r    io.ReaderAt
	size int64 // of the pages
	sums []byte
}

func newChecked(r io.ReaderAt, sums string) (*checked, error) {
	c := &checked{r: r}
	n := 0
	for n < len(sums) && sums[n] != ':' {
		n++
	}
	size, err := strconv.ParseInt(sums[:n], 10, 64)
	if err != nil || n == len(sums) {
		return nil, fmt.Errorf("%w: it has no checksums", ErrDamaged)
	}
	c.size = size
	if c.sums, err = base64.StdEncoding.DecodeString(sums[n+1:]); err != nil || int64(len(c.sums)/4) != (size+sumBlock-1)/sumBlock {
		return nil, fmt.Errorf("%w: its list of checksums is wrong", ErrDamaged)
	}
	return c, nil
}

// ReadAt reads whole blocks, and thus up to 16 KiB more than it was asked for.
func (c *checked) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at >= c.size {
		return 0, io.EOF
	}
	var end error
	if int64(len(b)) > c.size-at {
		b, end = b[:c.size-at], io.EOF
	}
	from := at / sumBlock * sumBlock
	to := min((at+int64(len(b))+sumBlock-1)/sumBlock*sumBlock, c.size)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = grow(*buf, int(to-from))
	whole := *buf
	if _, err := c.r.ReadAt(whole, from); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for i := from / sumBlock; i*sumBlock < to; i++ {
		block := whole[i*sumBlock-from : min((i+1)*sumBlock, to)-from]
		if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(c.sums[4*i:]) {
			return 0, fmt.Errorf("%w: the checksum of its bytes from %d on is wrong", ErrDamaged, i*sumBlock)
		}
	}
	return copy(b, whole[at-from:]), end
}

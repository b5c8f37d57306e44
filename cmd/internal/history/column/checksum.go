package column

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// Parquet checks the content of a page and nothing else: a flipped bit in a page's
// header or in the footer can make other rows, or ask for gigabytes. So a file
// carries checksums of every 8 KiB of its pages in its metadata (0.05% of its size),
// and in the 16 bytes before its footer, which other readers skip, those of the footer and
// of what stands between the pages and these bytes: Parquet's indexes of the pages, which
// flowhound does not read.
const (
	sumBlock  = 8 << 10
	tailMagic = "FLOWHND1"
	tailSize  = len(tailMagic) + 8 // the magic, CRC-32C of footer, length and magic of Parquet, that of the indexes
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
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(s.held[:n-footer], castagnoli))
	for _, b := range [][]byte{s.held[:n-footer], tail, s.held[n-footer:]} {
		if _, err := s.w.Write(b); err != nil {
			return 0, err
		}
	}
	return s.size + int64(n+tailSize), nil
}

// readFooter returns the footer of a file, if it is the one that was written, and the
// checksum of the indexes: 0 where an earlier version wrote it.
func readFooter(r io.ReaderAt, size int64) (footer []byte, indexes uint32, err error) {
	var end [endSize]byte
	if size < int64(tailSize+2*endSize) {
		return nil, 0, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, size)
	}
	if _, err := r.ReadAt(end[:], size-endSize); err != nil {
		return nil, 0, err
	}
	length := int64(binary.LittleEndian.Uint32(end[:])) + endSize
	if string(end[4:]) != parquetMagic || length > size-int64(tailSize) || length > maxFooter {
		return nil, 0, fmt.Errorf("%w: it does not end as Parquet does", ErrDamaged)
	}
	b := make([]byte, int64(tailSize)+length)
	if _, err := r.ReadAt(b, size-int64(len(b))); err != nil {
		return nil, 0, err
	}
	if string(b[:len(tailMagic)]) != tailMagic {
		return nil, 0, fmt.Errorf("%w: flowhound has not written it", ErrDamaged)
	}
	if crc32.Checksum(b[tailSize:], castagnoli) != binary.LittleEndian.Uint32(b[len(tailMagic):]) {
		return nil, 0, fmt.Errorf("%w: the checksum of its footer is wrong", ErrDamaged)
	}
	return b[tailSize : len(b)-endSize], binary.LittleEndian.Uint32(b[tailSize-4:]), nil
}

// verifyIndexes checks what stands between the pages and the footer.
func (f *File) verifyIndexes() error {
	if f.indexSum == 0 {
		return nil // an earlier version wrote it
	}
	b := make([]byte, f.indexEnd-f.pages.size)
	if _, err := f.pages.r.ReadAt(b, f.pages.size); err != nil {
		return err
	}
	if crc32.Checksum(b, castagnoli) != f.indexSum {
		return fmt.Errorf("%w: the checksum of its indexes is wrong", ErrDamaged)
	}
	return nil
}

// maxFooter bounds the footer that is read: 4 M arrivals take 20 MB.
const maxFooter = 256 << 20

// checked reads a file and checks all that it reads of its pages.
type checked struct {
	r    io.ReaderAt
	size int64 // of the pages
	sums []byte
}

func newChecked(r io.ReaderAt, sums []byte) (*checked, error) {
	c := &checked{r: r}
	size, list, ok := bytes.Cut(sums, []byte(":"))
	var err error
	if c.size, err = strconv.ParseInt(string(size), 10, 64); err != nil || !ok || c.size < 0 {
		return nil, fmt.Errorf("%w: it has no checksums", ErrDamaged)
	}
	if c.sums, err = base64.StdEncoding.AppendDecode(nil, list); err != nil || int64(len(c.sums)/4) != (c.size+sumBlock-1)/sumBlock {
		return nil, fmt.Errorf("%w: its list of checksums is wrong", ErrDamaged)
	}
	return c, nil
}

// read returns size bytes of the pages, in buffer's memory. It reads whole blocks, and
// thus up to 16 KiB more.
func (c *checked) read(buffer *[]byte, at, size int64) ([]byte, error) {
	if at < 0 || size < 0 || at > c.size || size > c.size-at {
		return nil, fmt.Errorf("%w: it stands outside of the file", ErrDamaged)
	}
	from := at / sumBlock * sumBlock
	to := min((at+size+sumBlock-1)/sumBlock*sumBlock, c.size)
	*buffer = grow(*buffer, int(to-from))
	whole := *buffer
	if _, err := c.r.ReadAt(whole, from); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for i := from / sumBlock; i*sumBlock < to; i++ {
		block := whole[i*sumBlock-from : min((i+1)*sumBlock, to)-from]
		if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(c.sums[4*i:]) {
			return nil, fmt.Errorf("%w: the checksum of its bytes from %d on is wrong", ErrDamaged, i*sumBlock)
		}
	}
	return whole[at-from : at-from+size], nil
}

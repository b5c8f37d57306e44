package column

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// page is a page of a chunk, from its header.
type page struct {
	first, rows int // of the row group; of a dictionary, how many values
	coding      format.Encoding
	stored      bool // whatever the codec
	content     []byte
	size        int   // of what is in it
	at, length  int64 // where it stands in the file, if it is to be read from there
}

// The kinds of pages.
const (
	dataPage       = 0
	indexPage      = 1
	dictionaryPage = 2
	dataPage2      = 3
)

// nextPage reads the header of the page that b begins with, and returns what follows it.
func nextPage(b []byte) (p page, kind int64, rest []byte, err error) {
	c := &compact{bounded.Reader{B: b}}
	kind = -1
	size := int64(-1)
	p.rows, p.size, p.coding = -1, -1, -1
	for id, k := range c.fields() {
		switch {
		case id == 1 && k == compactInt32:
			kind = c.number()
		case id == 2 && k == compactInt32:
			p.size = int(c.number())
		case id == 3 && k == compactInt32:
			size = c.number()
		case (id == 5 || id == 7 || id == 8) && k == compactStruct:
			p.header(c, id == 8)
		default:
			c.skip(k)
		}
	}
	if c.Bad || size < 0 || size > int64(len(c.B)) || p.size < 0 || p.rows < 0 && kind != indexPage {
		return p, 0, nil, fmt.Errorf("%w: the header of a page cannot be read", ErrDamaged)
	}
	p.content = c.B[:size]
	return p, kind, c.B[size:], nil
}

// header reads what is said of one kind of page: how many values it has and how they are
// encoded. Our columns have a value in each row, so that nothing says which rows have none.
func (p *page) header(c *compact, second bool) {
	coding := 2
	if second {
		coding = 4
	}
	for id, kind := range c.fields() {
		switch {
		case id == 1 && kind == compactInt32:
			p.rows = int(c.number())
		case id == coding && kind == compactInt32:
			p.coding = format.Encoding(c.number())
		case second && (id == 5 || id == 6) && kind == compactInt32: // bytes of levels
			if c.number() != 0 {
				c.Fail()
			}
		case second && id == 7:
			p.stored = kind == compactFalse
		default:
			c.skip(kind)
		}
	}
}

// scratch is where pages are unpacked.
type scratch struct {
	bytes   []byte
	places  []int32
	numbers []int64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// unpacker unpacks the pages of all readers at once.
var unpacker = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecoderLowmem(true), zstd.IgnoreChecksum(true))
	if err != nil {
		panic(err) // the options are wrong
	}
	return d
})

const (
	// maxPage bounds what a page may hold: 8 M addresses.
	maxPage = 256 << 20
	// padding is what the decoders of places read behind their end.
	padding = 64
)

// plausible rejects a page that claims more bytes than its values, or its content, can have.
func (p *page) plausible() error {
	// A value takes 16 bytes at most, and a block of differences is filled up to 128.
	if p.size > 32*p.rows+4096 || p.size > 1<<20+1024*len(p.content) {
		return fmt.Errorf("%w: a page of %d values has %d bytes", ErrDamaged, p.rows, p.size)
	}
	return nil
}

// unpack returns what is in a page, with padding behind it; it lies in to.
func (p *page) unpack(by codec, to []byte) ([]byte, error) {
	if err := p.plausible(); err != nil {
		return nil, err
	}
	to = slices.Grow(to[:0], p.size+padding)
	if p.stored || by == stored {
		if len(p.content) != p.size {
			return nil, fmt.Errorf("%w: a page has another size than its header says", ErrDamaged)
		}
		return append(to, p.content...), nil
	}
	if by != zstded {
		return nil, fmt.Errorf("%w: a page is compressed in an unknown way (%d)", ErrDamaged, by)
	}
	b, err := unpacker().DecodeAll(p.content, to)
	if err != nil || len(b) != p.size {
		return nil, fmt.Errorf("%w: a page cannot be unpacked", ErrDamaged)
	}
	return b, nil
}

// frames appends the parts of a dictionary that can be unpacked by themselves, each as a page:
// frames of zstd, or all of it. A value takes so many bytes.
func (p *page) frames(by codec, width int, to []page) []page {
	if p.stored || by != zstded {
		return append(to, *p)
	}
	begin, size := len(to), 0
	for rest := p.content; len(rest) > 0; {
		n, unpacked := frame(rest)
		if n == 0 || unpacked == 0 || unpacked%width != 0 || unpacked > p.size-size { // unpack says what is wrong
			return append(to[:begin], *p)
		}
		to = append(to, page{first: size / width, rows: unpacked / width, content: rest[:n], size: unpacked})
		size, rest = size+unpacked, rest[n:]
	}
	if size != p.size {
		return append(to[:begin], *p)
	}
	return to
}

// frame returns how long the frame of zstd is that b begins with, and how many bytes are in it;
// 0 when it does not say so. See RFC 8878, section 3.1.1.
func frame(b []byte) (length, unpacked int) {
	var h zstd.Header
	if h.Decode(b) != nil || h.Skippable || !h.HasFCS || h.FrameContentSize > maxPage {
		return 0, 0
	}
	rest := bounded.Reader{B: b[h.HeaderSize:]}
	for last := false; !last; {
		head := rest.Take(3)
		if head == nil {
			return 0, 0
		}
		of := uint64(head[0]) | uint64(head[1])<<8 | uint64(head[2])<<16
		last = of&1 != 0
		if kind, size := of>>1&3, of>>3; kind == 1 { // a byte that is repeated
			rest.Take(1)
		} else {
			rest.Take(size)
		}
	}
	if h.HasCheckSum {
		rest.Take(4)
	}
	if rest.Bad {
		return 0, 0
	}
	return len(b) - len(rest.B), int(h.FrameContentSize)
}

// unpackPlaces is unpack for a page of places in a dictionary.
func (p *page) unpackPlaces(by codec, s *scratch) ([]byte, error) {
	b, err := p.unpack(by, s.bytes)
	if err != nil {
		return nil, err
	}
	s.bytes = b
	if p.coding != format.RLEDictionary {
		return nil, p.unknownCoding()
	}
	return b, nil
}

func (p *page) unknownCoding() error {
	return fmt.Errorf("%w: a page has an unknown encoding (%d)", ErrDamaged, p.coding)
}

// places sets the places in a dictionary of so many values that a page holds.
func (p *page) places(by codec, to []int32, values int) error {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b, err := p.unpackPlaces(by, s)
	if err != nil {
		return err
	}
	// The decoder writes up to seven places too many: not into the next page, which may be
	// there already, but where there is room for them.
	into := to[:0:len(to)]
	if p.rows%8 != 0 {
		s.places = slices.Grow(s.places[:0], p.rows+8)
		into = s.places
	}
	var coding rle.DictionaryEncoding
	got, err := coding.DecodeInt32(into, b)
	if err != nil || len(got) < p.rows {
		return errFew
	}
	settle(to, got)
	if mostOf(to) >= uint32(values) {
		return errPlace
	}
	return nil
}

var (
	errFew   = fmt.Errorf("%w: a page has too few values", ErrDamaged)
	errPlace = fmt.Errorf("%w: a value is not in its dictionary", ErrDamaged)
)

// settle has what was decoded stand in to, where the decoder had room elsewhere.
func settle[T any](to, got []T) {
	if len(to) > 0 && &got[0] != &to[0] {
		copy(to, got)
	}
}

// mostOf returns the largest of some numbers. Four at once take half the time.
func mostOf(numbers []int32) uint32 {
	var a, b, c, d uint32
	for ; len(numbers) >= 4; numbers = numbers[4:] {
		a, b, c, d = max(a, uint32(numbers[0])), max(b, uint32(numbers[1])), max(c, uint32(numbers[2])), max(d, uint32(numbers[3]))
	}
	for _, n := range numbers {
		a = max(a, uint32(n))
	}
	return max(a, b, c, d)
}

// numbers sets the values of a page without a dictionary: one of the two.
func (p *page) numbers(by codec, to32 []int32, to64 []int64) error {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b, err := p.unpack(by, s.bytes)
	if err != nil {
		return err
	}
	s.bytes = b
	switch {
	case p.coding == format.DeltaBinaryPacked:
		return differences(b, to32, to64)
	case p.coding != format.Plain:
		return p.unknownCoding()
	case len(b) != 4*len(to32)+8*len(to64):
		return errFew
	}
	plain32(to32, b)
	plain64(to64, b)
	return nil
}

// numbersOf is numbers for some rows, which stand in ascending order; whole: of 64 bits.
func (p *page) numbersOf(by codec, rows []int32, to []int64, whole bool) (err error) {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if whole {
		s.numbers = grow(s.numbers, p.rows)
		err = p.numbers(by, nil, s.numbers)
		for i, row := range rows {
			to[i] = s.numbers[int(row)-p.first]
		}
		return err
	}
	s.places = grow(s.places, p.rows)
	err = p.numbers(by, s.places, nil)
	for i, row := range rows {
		to[i] = int64(s.places[int(row)-p.first])
	}
	return err
}

// differences sets the values of a page of DELTA_BINARY_PACKED.
func differences(b []byte, to32 []int32, to64 []int64) (err error) {
	head := bounded.Reader{B: b} // size of a block, blocks in it, values
	head.Uvarint()
	head.Uvarint()
	if n := head.Uvarint(); head.Bad || n != uint64(len(to32)+len(to64)) {
		return errFew
	}
	var coding delta.BinaryPackedEncoding
	got32, got64 := to32, to64
	if to64 != nil {
		got64, err = coding.DecodeInt64(to64[:0:len(to64)], b)
	} else {
		got32, err = coding.DecodeInt32(to32[:0:len(to32)], b)
	}
	if err != nil {
		return errFew
	}
	settle(to32, got32)
	settle(to64, got64)
	return nil
}

func plain32(to []int32, b []byte) {
	for i := range to {
		to[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
}

func plain64(to []int64, b []byte) {
	for i := range to {
		to[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

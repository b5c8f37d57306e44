package table

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// magic is the first line of the uncompressed content. The next is a header in JSON.
const magic = "flowhound table 1\n"

// maxContent bounds the uncompressed content, in bytes.
const maxContent = 64 << 20

// File is a table with what is known of its data.
type File[V Value] struct {
	Date   string // of the data: 2026-06-01
	Source string // who published it
	Table  *Table[V]
	Names  Names[V]
}

type header struct {
	Date   string `json:"date"`
	Source string `json:"source"`
	Four   int    `json:"four"` // boundaries
	Six    int    `json:"six"`
	Values int    `json:"values"`
	Names  int    `json:"names"` // bytes; 0: there are none
}

// Content returns f's uncompressed form: the same bytes for the same file. Streams of
// like bytes stand together, which makes them small: the low bits of the boundaries'
// distances that are zero, the others, and the values by their frequency.
func (f *File[V]) Content() []byte {
	four, six := f.Table.sides()
	order := byFrequency(four.values, six.values)
	place := make(map[V]int, len(order))
	var values, names []byte
	for i, v := range order {
		place[v] = i
		values = binary.AppendUvarint(values, uint64(v))
		if f.Names.Len() > 0 {
			names = append(append(names, f.Names.Of(v)...), '\n')
		}
	}
	head, _ := json.Marshal(header{f.Date, f.Source, len(four.starts), len(six.starts), len(order), len(names)}) // never fails
	out := append(append([]byte(magic), head...), '\n')
	out = append(append(out, values...), names...)
	out = four.appendTo(out, place)
	return six.appendTo(out, place)
}

// byFrequency returns the values, 0 included, those of most boundaries first.
func byFrequency[V Value](all ...[]V) []V {
	count := map[V]int{}
	for _, values := range all {
		for _, v := range values {
			count[v]++
		}
	}
	order := make([]V, 0, len(count))
	for v := range count {
		order = append(order, v)
	}
	slices.SortFunc(order, func(a, b V) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	return order
}

func (s *side[K, V]) appendTo(out []byte, place map[V]int) []byte {
	var shifts, distances, low, middle, high []byte
	last := K(0)
	for i, start := range s.starts {
		d := uint64(start - last)
		shift := 0
		if d != 0 {
			shift = bits.TrailingZeros64(d)
		}
		shifts = append(shifts, byte(shift))
		distances = binary.AppendUvarint(distances, d>>shift)
		p := place[s.values[i]]
		low, middle, high = append(low, byte(p)), append(middle, byte(p>>8)), append(high, byte(p>>16))
		last = start
	}
	out = binary.AppendUvarint(out, uint64(len(distances)))
	return slices.Concat(out, shifts, distances, low, middle, high)
}

// Encode returns f compressed.
func (f *File[V]) Encode() ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(f.Content())
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// Unpack returns the uncompressed content of what Encode wrote.
func Unpack(packed []byte) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxContent+1))
	if err == nil && len(b) > maxContent {
		err = fmt.Errorf("larger than the limit of %d MiB", maxContent>>20)
	}
	return b, err
}

var errDamaged = errors.New("the table is damaged")

// maxHead bounds what About reads, in bytes.
const maxHead = 4 << 10

// About returns the date and the source of what Encode wrote. It unpacks no more than
// the beginning.
func About(packed []byte) (date, source string, err error) {
	head := make([]byte, maxHead)
	n, err := io.ReadFull(flate.NewReader(bytes.NewReader(packed)), head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", "", err
	}
	h, _, err := readHeader(head[:n])
	return h.Date, h.Source, err
}

// readHeader returns the header of a content, and what follows it.
func readHeader(content []byte) (h header, rest []byte, err error) {
	rest, ok := bytes.CutPrefix(content, []byte(magic))
	line, rest, found := bytes.Cut(rest, []byte("\n"))
	if !ok || !found || json.Unmarshal(line, &h) != nil {
		return h, nil, errDamaged
	}
	return h, rest, nil
}

// Decode reads what Encode wrote.
func Decode[V Value](packed []byte) (*File[V], error) {
	content, err := Unpack(packed)
	if err != nil {
		return nil, err
	}
	return decodeContent[V](content)
}

func decodeContent[V Value](content []byte) (*File[V], error) {
	h, rest, err := readHeader(content)
	if err != nil {
		return nil, err
	}
	if n := len(rest); h.Four < 1 || h.Six < 1 || h.Four > n || h.Six > n || h.Values < 1 || h.Values > n || h.Names < 0 || h.Names > n {
		return nil, errDamaged
	}
	r := bounded.Reader{B: rest}
	values := make([]V, h.Values)
	for i := range values {
		values[i] = V(r.Uvarint())
	}
	f := &File[V]{Date: h.Date, Source: h.Source, Names: newNames(values, string(r.Take(uint64(h.Names))))}
	four, six := readSide[uint32](&r, h.Four, values), readSide[uint64](&r, h.Six, values)
	if r.Bad {
		return nil, errDamaged
	}
	f.Table = pack(four, six)
	return f, nil
}

func readSide[K uint32 | uint64, V Value](r *bounded.Reader, n int, values []V) side[K, V] {
	length := min(r.Uvarint(), uint64(len(r.B)))
	shifts, distances := r.Take(uint64(n)), bounded.Reader{B: r.Take(length)}
	low, middle, high := r.Take(uint64(n)), r.Take(uint64(n)), r.Take(uint64(n))
	if r.Bad {
		return side[K, V]{}
	}
	s := side[K, V]{starts: make([]K, n), values: make([]V, n)}
	at := K(0)
	for i := range s.starts {
		d := K(distances.Uvarint()) << (shifts[i] & 63)
		p := int(low[i]) | int(middle[i])<<8 | int(high[i])<<16
		if next := at + d; i > 0 && next <= at || i == 0 && next != 0 || p >= len(values) || distances.Bad {
			r.Bad = true
			return side[K, V]{}
		}
		at += d
		s.starts[i], s.values[i] = at, values[p]
	}
	return s
}

// Names maps values to names, in little memory: one text, and where each begins.
type Names[V Value] struct {
	values []V // sorted
	ends   []uint32
	text   string
}

// NewNames returns the names of a map.
func NewNames[V Value](of map[V]string) Names[V] {
	values := make([]V, 0, len(of))
	for v := range of {
		values = append(values, v)
	}
	slices.Sort(values)
	var text strings.Builder
	for _, v := range values {
		text.WriteString(strings.ReplaceAll(of[v], "\n", " "))
		text.WriteByte('\n')
	}
	return newNames(values, text.String())
}

// newNames takes one line of text for each value; too few are as empty ones.
func newNames[V Value](values []V, text string) Names[V] {
	if text == "" {
		return Names[V]{}
	}
	size := len(text)
	named := make(map[V]string, len(values))
	order := slices.Clone(values)
	for _, v := range values {
		line, rest, _ := strings.Cut(text, "\n")
		named[v], text = line, rest
	}
	slices.Sort(order)
	order = slices.Compact(order)
	n := Names[V]{values: order, ends: make([]uint32, 0, len(order))}
	var b strings.Builder
	b.Grow(size)
	for _, v := range n.values {
		b.WriteString(named[v])
		n.ends = append(n.ends, uint32(b.Len()))
	}
	n.text = b.String()
	return n
}

// Of returns the name of a value, "" where there is none.
func (n *Names[V]) Of(v V) string {
	i, ok := slices.BinarySearch(n.values, v)
	if !ok {
		return ""
	}
	start := uint32(0)
	if i > 0 {
		start = n.ends[i-1]
	}
	return n.text[start:n.ends[i]]
}

// Len returns how many names there are.
func (n *Names[V]) Len() int { return len(n.values) }

package dataset

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// The address index of a day says for every address of its hour files in which row
// groups it stands, as source, destination or behind a NAT: 9 bytes an address, and
// a search for one address reads one row group of a day in place of 300.
//
//	magic, runs of up to 64 blocks, directory, its length and CRC-32C, magic
//
// A block is 1,024 addresses. Of a run first come all addresses, then their row groups:
// a hunt for 100,000 addresses looks at all addresses of a day, 2 bytes each, and at the
// row groups of those that were found.
const (
	indexName  = "addresses"
	indexMagic = "FHADDR02"
	indexBlock = 1024
	indexRun   = 64 // blocks
	indexEnd   = 8 + len(indexMagic)
	indexLimit = 4 << 30
)

// indexed is an address and the row groups that have it.
type indexed struct {
	address flow.Addr
	groups  []uint32 // numbered over all files of the index
}

type indexedFile struct {
	// Key is indexKey's; earlier versions wrote the name alone.
	Key    string `json:"name"`
	Groups uint32 `json:"groups"`
}

// block is where some addresses stand, and their row groups.
type block struct {
	first             flow.Addr
	addresses, groups part
}

// part is a part of an index.
type part struct {
	offset int64
	length int
	sum    uint32
}

// How the addresses of a block are written: each as the difference to the one before,
// either all with the same upper half, as those of IPv4 are, or with both halves.
const (
	lowerHalves byte = iota
	bothHalves
)

// indexWriter writes addresses that come in order.
type indexWriter struct {
	out       *bufio.Writer
	files     []indexedFile
	blocks    []block
	addresses int
	offset    int64

	block    []flow.Addr // that is not full yet
	groups   []byte      // of block
	run      int         // the first of blocks that is not written yet
	runOf    []byte      // addresses of run
	runOfAll []byte      // row groups of run
}

func newIndexWriter(w io.Writer) *indexWriter {
	x := &indexWriter{out: bufio.NewWriterSize(w, 64<<10), offset: int64(len(indexMagic))}
	_, _ = x.out.WriteString(indexMagic) // close tells of an error
	return x
}

func (w *indexWriter) add(x indexed) error {
	w.block = append(w.block, x.address)
	w.groups = binary.AppendUvarint(w.groups, uint64(len(x.groups)))
	last := uint32(0)
	for _, g := range x.groups {
		w.groups = binary.AppendUvarint(w.groups, uint64(g-last))
		last = g
	}
	w.addresses++
	if len(w.block) < indexBlock {
		return nil
	}
	w.endBlock()
	if len(w.blocks)-w.run < indexRun {
		return nil
	}
	return w.endRun()
}

func (w *indexWriter) endBlock() {
	if len(w.block) == 0 {
		return
	}
	addresses := appendAddresses(w.runOf, w.block)
	own := addresses[len(w.runOf):]
	w.blocks = append(w.blocks, block{
		first:     w.block[0],
		addresses: part{int64(len(w.runOf)), len(own), crc32.Checksum(own, castagnoli)},
		groups:    part{int64(len(w.runOfAll)), len(w.groups), crc32.Checksum(w.groups, castagnoli)},
	})
	w.runOf, w.runOfAll = addresses, append(w.runOfAll, w.groups...)
	w.block, w.groups = w.block[:0], w.groups[:0]
}

// appendAddresses appends addresses but the first, which stands in the directory.
func appendAddresses(b []byte, block []flow.Addr) []byte {
	before := block[0]
	if block[len(block)-1].Hi == before.Hi {
		b = append(b, lowerHalves)
		for _, a := range block[1:] {
			b = binary.AppendUvarint(b, a.Lo-before.Lo)
			before = a
		}
		return b
	}
	b = append(b, bothHalves)
	for _, a := range block[1:] {
		b = appendStep(b, before, a)
		before = a
	}
	return b
}

// appendStep appends an address as the difference to the one before.
func appendStep(b []byte, before, a flow.Addr) []byte {
	b = binary.AppendUvarint(b, a.Hi-before.Hi)
	if a.Hi == before.Hi {
		return binary.AppendUvarint(b, a.Lo-before.Lo)
	}
	return binary.BigEndian.AppendUint64(b, a.Lo)
}

// endRun writes the blocks of a run.
func (w *indexWriter) endRun() error {
	for i := w.run; i < len(w.blocks); i++ {
		w.blocks[i].addresses.offset += w.offset
		w.blocks[i].groups.offset += w.offset + int64(len(w.runOf))
	}
	w.run = len(w.blocks)
	w.offset += int64(len(w.runOf) + len(w.runOfAll))
	_, err := w.out.Write(w.runOf)
	if err == nil {
		_, err = w.out.Write(w.runOfAll)
	}
	w.runOf, w.runOfAll = w.runOf[:0], w.runOfAll[:0]
	return err
}

func (w *indexWriter) close() error {
	w.endBlock()
	if err := w.endRun(); err != nil {
		return err
	}
	b := w.directory()
	end := binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	end = binary.LittleEndian.AppendUint32(end, crc32.Checksum(b, castagnoli))
	if _, err := w.out.Write(append(end, indexMagic...)); err != nil {
		return err
	}
	return w.out.Flush()
}

// directory is what is read of an index first: its files, and where its blocks are.
func (w *indexWriter) directory() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(w.files)))
	for _, f := range w.files {
		b = binary.LittleEndian.AppendUint32(b, f.Groups)
		b = append(append(b, byte(len(f.Key))), f.Key...)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(w.blocks)))
	for i := range w.blocks {
		x := &w.blocks[i]
		b = binary.LittleEndian.AppendUint64(b, x.first.Hi)
		b = binary.LittleEndian.AppendUint64(b, x.first.Lo)
		for _, p := range []part{x.addresses, x.groups} {
			b = binary.LittleEndian.AppendUint64(b, uint64(p.offset))
			b = binary.LittleEndian.AppendUint32(b, uint32(p.length))
			b = binary.LittleEndian.AppendUint32(b, p.sum)
		}
	}
	return b
}

package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// someAddresses are addresses in order, each with its row groups: IPv4 and IPv6, near to
// each other and far apart.
func someAddresses(r *rand.Rand, n, groups int) (out []indexed) {
	of := map[flow.Addr][]uint32{}
	for range n {
		a := flow.Addr4(r.Uint32())
		switch r.IntN(5) {
		case 0:
			a = flow.Addr{Hi: 0x20010db8<<32 | r.Uint64N(1<<10), Lo: r.Uint64N(1 << 40)}
		case 1:
			a = flow.Addr4(0x0a000000 + r.Uint32N(4000))
		case 2:
			a = flow.Addr{Hi: r.Uint64(), Lo: r.Uint64()}
		}
		var in []uint32
		for g := range groups {
			if r.IntN(groups) < 3 {
				in = append(in, uint32(g))
			}
		}
		of[a] = in
	}
	for a, in := range of {
		out = append(out, indexed{a, in})
	}
	slices.SortFunc(out, func(a, b indexed) int { return a.address.Compare(b.address) })
	return out
}

// someRanges are disjoint ranges in order: of addresses that are there, of single ones, of
// networks, and some that span halves of all addresses.
func someRanges(r *rand.Rand, n int, addresses []indexed) []flow.Range {
	var out []flow.Range
	for range n {
		a := addresses[r.IntN(len(addresses))].address
		if r.IntN(2) == 0 {
			a = flow.Addr{Hi: r.Uint64() >> (r.Uint32() & 63), Lo: r.Uint64()}
		}
		one := flow.Range{First: a, Last: a}
		switch r.IntN(6) {
		case 0:
			one.Last.Lo |= 0xff
		case 1:
			one.Last.Lo = ^uint64(0)
		case 2:
			one.Last = flow.Addr{Hi: a.Hi + r.Uint64N(1<<20), Lo: r.Uint64()}
			if one.Last.Compare(a) < 0 {
				one.Last = a
			}
		}
		out = append(out, one)
	}
	return flow.Merge(out)
}

func writeIndexOf(t testing.TB, path string, files []indexedFile, addresses []indexed) {
	t.Helper()
	var b bytes.Buffer
	w := newIndexWriter(&b)
	w.files = files
	for _, x := range addresses {
		if err := w.add(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeOldIndexOf writes what the first version of this program wrote.
func writeOldIndexOf(t testing.TB, path string, files []indexedFile, addresses []indexed) {
	t.Helper()
	type oldBlock struct {
		First  flow.Addr `json:"first"`
		Offset int64     `json:"offset"`
		Length int       `json:"length"`
		Sum    uint32    `json:"sum"`
	}
	b := []byte(oldIndexMagic)
	var blocks []oldBlock
	for some := range slices.Chunk(addresses, 1024) {
		var content []byte
		var before flow.Addr
		for _, x := range some {
			head := uint64(len(x.groups)) << 1
			if x.address.Hi == before.Hi {
				content = binary.AppendUvarint(content, head)
				content = binary.AppendUvarint(content, x.address.Lo-before.Lo)
			} else {
				content = binary.AppendUvarint(content, head|1)
				content = binary.AppendUvarint(content, x.address.Hi-before.Hi)
				content = binary.BigEndian.AppendUint64(content, x.address.Lo)
			}
			before = x.address
			last := uint32(0)
			for _, g := range x.groups {
				content = binary.AppendUvarint(content, uint64(g-last))
				last = g
			}
		}
		blocks = append(blocks, oldBlock{some[0].address, int64(len(b)), len(content), crc32.Checksum(content, castagnoli)})
		b = append(b, content...)
	}
	dir, err := json.Marshal(map[string]any{"files": files, "addresses": len(addresses), "blocks": blocks})
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, dir...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(dir)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(dir, castagnoli))
	if err := os.WriteFile(path, append(b, oldIndexMagic...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever is asked for, an index of today and one of an earlier version say what looking
// at each address says.
func TestFindInIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	path := filepath.Join(t.TempDir(), indexName)
	for _, n := range []int{1, 2, 900, 1024, 1025, 70_000} {
		const groups = 300
		addresses := someAddresses(r, n, groups)
		files := []indexedFile{{"00-h0000000001.parquet", 100}, {"01-h0000000001.parquet", groups - 100}}
		for _, write := range []func(testing.TB, string, []indexedFile, []indexed){writeIndexOf, writeOldIndexOf} {
			write(t, path, files, addresses)
			x, err := openIndex(path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(x.files, files) {
				t.Fatalf("files %v", x.files)
			}
			var all []indexed
			for i := range x.blocks {
				if err := x.block(i, func(a flow.Addr, groups []uint32) { all = append(all, indexed{a, slices.Clone(groups)}) }); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.EqualFunc(all, addresses, func(a, b indexed) bool { return a.address == b.address && slices.Equal(a.groups, b.groups) }) {
				t.Fatalf("%d of %d addresses came back", len(all), len(addresses))
			}
			for _, asked := range []int{0, 1, 1, 1, 3, 20, 400, 5000} {
				ranges := someRanges(r, asked, addresses)
				most := len(addresses) / 2
				found, err := x.find(ranges, 1+len(ranges)%3, most)
				if err != nil {
					t.Fatal(err)
				}
				got, want := found.groups, make([]bool, groups)
				var named []flow.Addr
				for _, a := range addresses {
					if inRanges(ranges, a.address) {
						named = append(named, a.address)
						for _, g := range a.groups {
							want[g] = true
						}
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%d addresses, old %v, %d ranges: other row groups than looking at each says", n, x.old, len(ranges))
				}
				if found.many != (len(named) > most) || !found.many && !slices.Equal(found.addresses, named) {
					t.Fatalf("%d addresses, old %v, %d ranges: %d of %d addresses, too many: %v", n, x.old, len(ranges), len(found.addresses), len(named), found.many)
				}
			}
			x.close()
		}
	}
}

// The writer makes an index of today of one that an earlier version wrote.
func TestOldIndexIsRenewed(t *testing.T) {
	w := create(t, t.TempDir())
	if err := w.Part(1, conversations(3000, noon)); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.Dir, dayOf(noon.UnixNano()), indexName)
	today, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := openIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []indexed
	for i := range x.blocks {
		if err := x.block(i, func(a flow.Addr, groups []uint32) { all = append(all, indexed{a, slices.Clone(groups)}) }); err != nil {
			t.Fatal(err)
		}
	}
	x.close()
	writeOldIndexOf(t, path, x.files, all)
	if snap := snapshot(t, w.Dir); len(snap.Select(everything, 1).Groups) != len(snap.Files) {
		t.Error("an old index is not used")
	}
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if renewed, err := os.ReadFile(path); err != nil || !bytes.Equal(renewed, today) {
		t.Errorf("it is not what it was: %v", err)
	}
}

// A flipped bit anywhere in an index is found, or changes nothing that is asked.
func TestDamagedIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	path := filepath.Join(t.TempDir(), indexName)
	addresses := someAddresses(r, 3000, 40)
	writeIndexOf(t, path, []indexedFile{{"00-h0000000001.parquet", 40}}, addresses)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		bad := slices.Clone(whole)
		if r.IntN(3) == 0 {
			bad = bad[:r.IntN(len(bad))]
		} else {
			bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := openIndex(path)
		if err != nil {
			continue
		}
		ranges := someRanges(r, 50, addresses)
		want := make([]bool, 40)
		for _, a := range addresses {
			if inRanges(ranges, a.address) {
				for _, g := range a.groups {
					want[g] = true
				}
			}
		}
		if got, err := x.find(ranges, 1+len(ranges)%3, len(addresses)); err == nil && !slices.Equal(got.groups, want) {
			t.Fatal("a damaged index says something else")
		}
		x.close()
	}
}

func FuzzIndexDirectory(f *testing.F) {
	w := newIndexWriter(&bytes.Buffer{})
	w.files = []indexedFile{{"00-h0000000001.parquet", 40}}
	for _, a := range someAddresses(rand.New(rand.NewPCG(1, 1)), 2000, 40) {
		_ = w.add(a)
	}
	w.endBlock()
	f.Add(w.directory(), false)
	f.Add([]byte(`{"files":[{"name":"a","groups":1}],"blocks":[{"first":{"Hi":0,"Lo":1},"offset":8,"length":1,"sum":1}]}`), true)
	f.Fuzz(func(_ *testing.T, b []byte, old bool) {
		x := &addressIndex{old: old}
		if old {
			_ = x.oldDirectory(b)
		} else {
			_ = x.directory(b)
		}
	})
}

func FuzzIndexBlock(f *testing.F) {
	addresses := someAddresses(rand.New(rand.NewPCG(2, 2)), 200, 40)
	var all []flow.Addr
	for _, a := range addresses {
		all = append(all, a.address)
	}
	f.Add(appendAddresses(nil, all), uint64(0), uint64(1)<<40)
	f.Add(appendAddresses(nil, all[:1]), uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, first, last uint64) {
		x := block{first: flow.Addr4(7)}
		ranges := flow.Merge([]flow.Range{{First: flow.Addr{Lo: min(first, last)}, Last: flow.Addr{Lo: max(first, last)}}, {First: flow.Addr{Hi: first}, Last: flow.Addr{Hi: first, Lo: last}}})
		found, err := x.among(b, ranges, nil, func(flow.Addr) {})
		if err == nil && !slices.IsSorted(found) {
			t.Error("not in order")
		}
		_, _, _ = nextGroups(b, nil)
		_ = oldBlock(b, func(flow.Addr, []uint32) {})
	})
}

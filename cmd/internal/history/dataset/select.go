package dataset

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// renumbered gives the addresses with the row groups of files that base has, counted
// from there on.
func (x *addressIndex) renumbered(base map[string]uint32) *stream {
	const gone = 1<<32 - 1
	var to []uint32
	for _, f := range x.files {
		from, ok := base[f.Key]
		for g := range f.Groups {
			if !ok {
				to = append(to, gone)
			} else {
				to = append(to, from+g)
			}
		}
	}
	next := 0          // block
	var some []indexed // of the last block, those that are left
	var all []uint32   // their groups
	take := func(a flow.Addr, groups []uint32) {
		first := len(all)
		for _, g := range groups {
			if g < uint32(len(to)) && to[g] != gone {
				all = append(all, to[g])
			}
		}
		if len(all) > first {
			some = append(some, indexed{a, all[first:]})
		}
	}
	return &stream{next: func(s *stream) error {
		for len(some) == 0 && next < len(x.blocks) {
			some, all = some[:0], all[:0]
			if err := x.block(next, take); err != nil {
				return fmt.Errorf("the old index: %w", err)
			}
			next++
		}
		if s.ok = len(some) > 0; s.ok {
			s.now, some = some[0], some[1:]
		}
		return nil
	}}
}

// Selection is what the address indexes say of some addresses.
type Selection struct {
	// Groups are the row groups of each file that can hold one of the addresses, as source,
	// destination or behind a NAT. Files that are not among them are in no index: all of
	// their groups can.
	Groups map[*File][]int
	// Addresses are which of the addresses the files of Groups have, sorted; nil: there are
	// too many to tell.
	Addresses []flow.Range
}

// Select asks the indexes for addresses: ranges that are sorted and do not overlap. A
// damaged index is as none. Workers is how many read at once, each an index or a part of
// one.
func (s *Snapshot) Select(ranges []flow.Range, workers int) Selection {
	byDay := map[string]map[string]*File{}
	for _, f := range s.Files {
		if byDay[f.Day] == nil {
			byDay[f.Day] = map[string]*File{}
		}
		byDay[f.Day][indexKey(indexMagic, f.Name, &f.Info)], byDay[f.Day][f.Name] = f, f
	}
	days := slices.Sorted(maps.Keys(byDay))
	found := make([]daySelection, len(days))
	next := make(chan int, len(days))
	for i := range days {
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	for range min(max(workers, 1), len(days)) {
		all.Go(func() {
			for i := range next {
				found[i] = s.selectOf(days[i], byDay[days[i]], ranges, max(2*workers/len(days), 1), mostFound/len(days)) // days are not of one size
			}
		})
	}
	all.Wait()
	out := Selection{Groups: map[*File][]int{}}
	many := false
	for _, f := range found {
		maps.Copy(out.Groups, f.groups)
		many = many || f.many
	}
	if many {
		return out
	}
	for _, f := range found {
		for _, a := range f.addresses {
			out.Addresses = append(out.Addresses, flow.Range{First: a, Last: a})
		}
	}
	out.Addresses = flow.Merge(out.Addresses)
	return out
}

// daySelection is the selection of a day.
type daySelection struct {
	groups    map[*File][]int
	addresses []flow.Addr
	many      bool
}

// selectOf is Select for the files of a day, by key and by name. More than most addresses
// are too many.
func (s *Snapshot) selectOf(day string, files map[string]*File, ranges []flow.Range, workers, most int) (out daySelection) {
	x, err := openIndex(filepath.Join(s.dir, day, indexName))
	if err != nil {
		return out
	}
	defer x.close()
	found, err := x.find(ranges, workers, most)
	if err != nil {
		return out
	}
	out = daySelection{map[*File][]int{}, found.addresses, found.many}
	base := 0
	for _, f := range x.files {
		if file := files[f.Key]; file != nil && file.Groups == int(f.Groups) {
			out.groups[file] = []int{}
			for g := range int(f.Groups) {
				if found.groups[base+g] {
					out.groups[file] = append(out.groups[file], g)
				}
			}
		}
		base += int(f.Groups)
	}
	return out
}

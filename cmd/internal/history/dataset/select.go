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

// Select returns the row groups of files that can hold one of the addresses, as source,
// destination or behind a NAT. Files that are not in the map are in no index: all of
// their groups can. Ranges are sorted and do not overlap. A damaged index is as none.
// Workers is how many read at once, each an index or a part of one.
func (s *Snapshot) Select(ranges []flow.Range, workers int) map[*File][]int {
	byDay := map[string]map[string]*File{}
	for _, f := range s.Files {
		if byDay[f.Day] == nil {
			byDay[f.Day] = map[string]*File{}
		}
		byDay[f.Day][indexKey(indexMagic, f.Name, &f.Info)], byDay[f.Day][f.Name] = f, f
	}
	days := slices.Sorted(maps.Keys(byDay))
	found := make([]map[*File][]int, len(days))
	next := make(chan int, len(days))
	for i := range days {
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	for range min(max(workers, 1), len(days)) {
		all.Go(func() {
			for i := range next {
				found[i] = s.selectOf(days[i], byDay[days[i]], ranges, max(2*workers/len(days), 1)) // days are not of one size
			}
		})
	}
	all.Wait()
	out := map[*File][]int{}
	for _, f := range found {
		maps.Copy(out, f)
	}
	return out
}

// selectOf is Select for the files of a day, by key and by name.
func (s *Snapshot) selectOf(day string, files map[string]*File, ranges []flow.Range, workers int) map[*File][]int {
	x, err := openIndex(filepath.Join(s.dir, day, indexName))
	if err != nil {
		return nil
	}
	defer x.close()
	groups, err := x.find(ranges, workers)
	if err != nil {
		return nil
	}
	out := map[*File][]int{}
	base := 0
	for _, f := range x.files {
		if file := files[f.Key]; file != nil && file.Groups == int(f.Groups) {
			out[file] = []int{}
			for g := range int(f.Groups) {
				if groups[base+g] {
					out[file] = append(out[file], g)
				}
			}
		}
		base += int(f.Groups)
	}
	return out
}

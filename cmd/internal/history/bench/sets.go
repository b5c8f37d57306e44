package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// indicators is how many a set has; one of twenty is a /24.
const indicators = 100_000

// makeSets writes the lists that are hunted for: indicators of which none is in a day's
// flows, of which some are in 0.01% and in 1% of the records, and networks alone.
func makeSets(history, dir string, flows int) error {
	if _, err := os.Stat(filepath.Join(dir, "networks.txt")); err == nil {
		return nil
	}
	d, closed, err := query.Open(history, day, day.AddDate(0, 0, 1), nil)
	if err != nil {
		return err
	}
	defer closed()
	keys, err := query.ParseKeys("ip")
	if err != nil {
		return err
	}
	o := query.TopOptions{Keys: keys, Value: query.CountFlows, Memory: 1 << 30}
	address := func(r *query.TopRow) netip.Addr {
		a, _ := o.KeyOf(r)[0].(netip.Addr)
		return a
	}
	top, err := d.Top(context.Background(), query.Question{Start: day, End: day.AddDate(0, 0, 1)}, o)
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // the same in each run
	rnd.Shuffle(len(top.Rows), func(i, j int) { top.Rows[i], top.Rows[j] = top.Rows[j], top.Rows[i] })
	used := map[netip.Addr]bool{} // networks of 24 bits that have flows
	for i := range top.Rows {
		used[network(address(&top.Rows[i]))] = true
	}
	for name, share := range map[string]float64{"none.txt": 0, "few.txt": 0.0001, "many.txt": 0.01} {
		var list []string
		for i, left := 0, uint64(share*float64(flows)); left > 0 && i < len(top.Rows); i++ {
			r := &top.Rows[i]
			if a := address(r); outside(a) && r.Value >= 2 && r.Value <= max(40, uint64(share*400_000)) && r.Value <= left {
				list, left = append(list, a.String()), left-r.Value
			}
		}
		fmt.Printf("%s: %d addresses of the day\n", name, len(list))
		if err := writeSet(filepath.Join(dir, name), list, rnd, used, 20); err != nil {
			return err
		}
	}
	return writeSet(filepath.Join(dir, "networks.txt"), nil, rnd, used, 1)
}

func network(a netip.Addr) netip.Addr {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p.Addr()
}

// outside reports whether an address is none of the made site's.
func outside(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	first := a.As4()[0]
	return first != 10 && first != 147 && first != 203
}

// writeSet fills a list up with what has no flows; each so many-th of it is a /24.
func writeSet(path string, list []string, rnd *rand.Rand, used map[netip.Addr]bool, every int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for n := 0; n < indicators; n++ {
		if n < len(list) {
			fmt.Fprintln(w, list[n])
			continue
		}
		a := netip.AddrFrom4([4]byte{byte(11 + rnd.IntN(212)), byte(rnd.IntN(256)), byte(rnd.IntN(256)), byte(rnd.IntN(256))})
		switch {
		case used[network(a)] || !outside(a):
			n--
		case n%every == 0:
			fmt.Fprintf(w, "%s/24\n", network(a))
		default:
			fmt.Fprintln(w, a)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// writeFilter makes a filter of nfdump of a list.
func writeFilter(list, path string) error {
	b, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, "ip in [\n%s]\n", b), 0o600)
}

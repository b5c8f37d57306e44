package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

// memory tells how much resident memory the agent takes: after its start, and, with
// history and pages, while so many flows come a second.
func memory(root, binary string) error {
	for _, n := range []int{1000, 1_000_000} {
		list := filepath.Join(root, "memory.txt")
		if err := writeList(list, n); err != nil {
			return err
		}
		p, err := flowhound(binary, list, "").start(root)
		if err != nil {
			return err
		}
		time.Sleep(5 * time.Second)
		rss, err := p.rss()
		p.stop()
		if err != nil {
			return err
		}
		fmt.Printf("resident memory with %d indicators: %d MB\n", n, rss>>20)
	}
	traffic := realistic(2_000_000)
	for _, rate := range []float64{50, 5_000, 50_000} {
		if err := memoryAt(root, binary, rate, traffic); err != nil {
			return err
		}
	}
	return nil
}

// memoryFor is how long flows come: at 5,000 a second two segments of the history's log
// fill up meanwhile, and files are made of them.
const memoryFor = 2 * time.Minute

// memoryAt sends realistic flows at a rate and looks at the memory each second.
func memoryAt(root, binary string, rate float64, traffic [][]byte) error {
	p, s, err := beginWith(root, binary, filepath.Join(root, "100k.txt"), 100_000)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	defer s.close()
	defer p.stop()
	s.datagrams, s.each = traffic, trafficFlows
	var most, sum, times uint64
	var wrong error
	last := time.Now()
	err = s.blast(rate, memoryFor, func() {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		rss, err := p.rss()
		wrong = cmp.Or(wrong, err)
		most, sum, times = max(most, rss), sum+rss, times+1
	})
	if err = cmp.Or(err, wrong); err != nil {
		return err
	}
	fmt.Printf("resident memory with 100000 indicators at %.0f flows/s for %s: %d MB on average, %d MB at most\n", rate, memoryFor, sum/max(times, 1)>>20, most>>20)
	return nil
}

// trafficFlows is how many flows a datagram of realistic ones has.
const trafficFlows = 24

// realistic returns datagrams of flows as a site has them: IPv4's, and none that a list
// of the benchmark holds.
func realistic(flows int) (datagrams [][]byte) {
	var waiting []flow
	flowgen.Generate(flowgen.Options{Flows: flows, Day: 1795132800, Seed: 42}, func(made []flowgen.Flow) {
		for i := range made {
			f := &made[i]
			src, dst := be.Uint32(f.Src[12:]), be.Uint32(f.Dst[12:])
			if binary.BigEndian.Uint64(f.Src[:]) != 0 || listed(src) || listed(dst) {
				continue
			}
			took := min(uint32(f.End-f.Start), uptimeMS/2)
			waiting = append(waiting, flow{src: src, dst: dst, sport: f.SrcPort, dport: f.DstPort, flags: f.Flags, proto: f.Proto, bytes: uint32(f.Bytes), packets: f.Packets, took: took})
		}
		for len(waiting) >= trafficFlows {
			datagrams = append(datagrams, dataDatagram(waiting[:trafficFlows]))
			waiting = waiting[trafficFlows:]
		}
	})
	return datagrams
}

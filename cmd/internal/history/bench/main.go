// Command bench makes a day of flows as a history of flowhound and as a file of nfcapd,
// and asks flowhound, nfdump and DuckDB the same questions in turn. Its README is
// testdata/bench/history/README.md. It is for developers: nothing that users run
// imports it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

var day = time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)

func main() {
	if len(os.Args) > 3 && os.Args[1] == measureWord {
		if err := measure(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flows := flag.Int("flows", 20_000_000, "how many flows a day has")
	days := flag.Int("days", 1, "how many days; all are the first one, later")
	dir := flag.String("dir", "", "where the files go, and stay")
	program := flag.String("flowhound", "flowhound", "the program that is asked")
	rounds := flag.Int("rounds", 5, "how often each question is asked")
	only := flag.String("only", "", "ask only questions whose name has this")
	flag.Parse()
	if err := run(*dir, *program, *only, *flows, *days, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, program, only string, flows, days, rounds int) error {
	if dir == "" {
		return fmt.Errorf("give -dir")
	}
	history := filepath.Join(dir, "flows")
	if _, err := os.Stat(history); err != nil {
		if err := fill(history, flows, days); err != nil {
			return err
		}
	}
	if err := openAll(history); err != nil {
		return err
	}
	nfcapd := filepath.Join(dir, "nfcapd")
	if _, err := os.Stat(nfcapd); err != nil && installed("nfcapd") {
		fmt.Println("sending the day to nfcapd")
		if err := capture(nfcapd, flows); err != nil {
			return err
		}
	}
	if err := makeSets(history, dir, flows); err != nil {
		return err
	}
	for _, q := range questions(dir, program, days) {
		if strings.Contains(q.name, only) {
			if err := compare(&q, rounds); err != nil {
				return err
			}
		}
	}
	return nil
}

// openAll tells how long it takes until a question knows of all files, and how long to
// open each of them.
func openAll(dir string) error {
	set, err := dataset.Open(dir)
	if err != nil {
		return err
	}
	begun := time.Now()
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	defer snap.Close()
	known := time.Since(begun)
	begun = time.Now()
	for _, f := range snap.Files {
		opened, err := f.Open()
		if err == nil {
			err = opened.Close()
		}
		if err != nil {
			return err
		}
	}
	fmt.Printf("%d files: known in %.3f s, each of them opened in %.3f s\n", len(snap.Files), known.Seconds(), time.Since(begun).Seconds())
	return nil
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// fill writes the history, whose hours are made one and indexed.
func fill(dir string, flows, days int) error {
	w, err := dataset.Create(dir)
	if err != nil {
		return err
	}
	defer w.Close()
	countries := map[flow.Addr][2]byte{}
	w.Places = func(a flow.Addr, _ int64) ([2]byte, uint32) { return countries[a], 0 }
	begun := time.Now()
	var parts, hours time.Duration // that making them took
	timed := func(sum *time.Duration, do func() error) error {
		begun := time.Now()
		defer func() { *sum += time.Since(begun) }()
		return do()
	}
	for d := range days {
		shift := int64(d) * 24 * int64(time.Hour)
		var records []flow.Record
		flowgen.Generate(flowgen.Options{Flows: flows, Day: day.Unix(), Seed: 42}, func(made []flowgen.Flow) {
			for i := range made {
				countries[flow.AddrFrom16(made[i].Src[:])], countries[flow.AddrFrom16(made[i].Dst[:])] = made[i].SrcCountry, made[i].DstCountry
				r := record(&made[i])
				r.Start, r.End, r.Received = r.Start+shift, r.End+shift, r.Received+shift
				records = append(records, r)
			}
			if err == nil && len(records) >= 500_000 {
				err = timed(&parts, func() error { return w.Add(records) })
				records = records[:0]
			}
		})
		if err == nil {
			err = timed(&parts, func() error { return errors.Join(w.Add(records), w.Flush()) })
		}
		if err == nil {
			err = timed(&hours, func() error { return w.Tidy(context.Background(), day.AddDate(1, 0, 0)) })
		}
		if err != nil {
			return err
		}
	}
	all := float64(flows * days)
	fmt.Printf("made %d days of %d flows in %s, %.2f B/flow; parts at %.2f M flows/s, hours of them at %.2f M flows/s\n",
		days, flows, time.Since(begun).Round(time.Second), float64(w.Size())/all, all/parts.Seconds()/1e6, all/hours.Seconds()/1e6)
	return nil
}

func record(f *flowgen.Flow) flow.Record {
	r := flow.Record{
		Src: flow.AddrFrom16(f.Src[:]), Dst: flow.AddrFrom16(f.Dst[:]), NATSrc: flow.AddrFrom16(f.NATSrc[:]), NATDst: flow.AddrFrom16(f.NATDst[:]), SrcPort: f.SrcPort, DstPort: f.DstPort, NATSrcPort: f.NATSrcPort, NATDstPort: f.NATDstPort,
		Exporter: flow.Addr4(192<<24 | 2<<8 | uint32(f.Exporter)), Proto: f.Proto, TCPFlags: uint16(f.Flags), ToS: f.ToS, InIf: uint32(f.InIf), OutIf: uint32(f.OutIf), Version: 10,
		Bytes: f.Bytes, Packets: uint64(f.Packets), Start: f.Start * 1e6, End: f.End * 1e6, Received: f.Received, Sampling: 1,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf,
	}
	if r.NATSrc != (flow.Addr{}) {
		r.Has |= flow.HasNATSrc
	}
	if r.NATDst != (flow.Addr{}) {
		r.Has |= flow.HasNATDst
	}
	return r
}

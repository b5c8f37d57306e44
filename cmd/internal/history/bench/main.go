// Command bench makes a day of flows as a history of flowhound and as a file of nfcapd,
// and asks flowhound, nfdump and DuckDB the same questions in turn. Its README is
// testdata/bench/history/README.md. It is for developers: nothing that users run
// imports it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

var day = time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureWord {
		if err := measure(os.Args[2:]); err != nil {
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
	flag.Parse()
	if err := run(*dir, *program, *flows, *days, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, program string, flows, days, rounds int) error {
	if dir == "" {
		return fmt.Errorf("give -dir")
	}
	history := filepath.Join(dir, "flows")
	if _, err := os.Stat(history); err != nil {
		if err := fill(history, flows, days); err != nil {
			return err
		}
	}
	fmt.Printf("%-34s %10s %10s %10s %9s\n", "", "median s", "least s", "cpu s", "MB")
	for _, q := range questions(history, filepath.Join(dir, "nfcapd"), program, days) {
		var all []spent
		for range rounds {
			s, err := ask(q.command)
			if err != nil {
				return fmt.Errorf("%s: %w", strings.Join(q.command, " "), err)
			}
			all = append(all, s)
		}
		slices.SortFunc(all, func(a, b spent) int { return int(a.wall - b.wall) })
		m := all[len(all)/2]
		fmt.Printf("%-34s %10.3f %10.3f %10.3f %9.0f\n", q.name, m.wall.Seconds(), all[0].wall.Seconds(), m.cpu.Seconds(), m.memory)
	}
	return nil
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
				err = w.Add(records)
				records = records[:0]
			}
		})
		if err == nil {
			err = w.Add(records)
		}
		if err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := w.Tidy(context.Background(), day.AddDate(1, 0, 0)); err != nil {
			return err
		}
	}
	fmt.Printf("made %d days of %d flows in %s, %.2f B/flow\n", days, flows, time.Since(begun).Round(time.Second), float64(w.Size())/float64(flows*days))
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

type question struct {
	name    string
	command []string
}

// questions are asked of each program that is there.
func questions(history, nfcapd, program string, days int) (out []question) {
	first, last := day.Format(time.DateOnly), day.AddDate(0, 0, days-1).Format(time.DateOnly)
	ours := func(name, command string, more ...string) {
		args := append(strings.Fields(program+" "+command+" --history "+history+" --utc"), more...)
		out = append(out, question{"flowhound: " + name, args})
	}
	aDay := []string{"--start", first, "--end", first}
	ours("top 5 sip,sport of NL, a day", "top --fields sip,sport --scc NL --count 5", aDay...)
	ours("top 5 sip,sport of a /4, a day", "top --fields sip,sport --sip 64.0.0.0/4 --count 5", aDay...)
	ours("top 5 sip,sport, a day", "top --fields sip,sport --count 5", aDay...)
	ours("one address, a day", "flows --limit 1000 --any-ip 10.20.0.7 --json", aDay...)
	ours("country by hour, all days", "top --fields hour,scc --count 0", "--start", first, "--end", last)
	if days > 1 {
		ours("one address, all days", "flows --limit 1000 --any-ip 10.20.0.7 --json", "--start", first, "--end", last)
	}
	theirs, _ := filepath.Glob(filepath.Join(nfcapd, "nfcapd.2*"))
	if len(theirs) == 1 {
		for name, filter := range map[string]string{"top 5 sip,sport of a /4, a day": "src net 64.0.0.0/4", "one address, a day": "ip 10.20.0.7"} {
			out = append(out, question{"nfdump: " + name, []string{"nfdump", "-r", theirs[0], "-A", "srcip,srcport", "-s", "record/bytes", "-n", "5", filter}})
		}
	}
	if exec.Command("python3", "-c", "import duckdb").Run() == nil {
		files := filepath.Join(history, first, "*.parquet")
		out = append(out, question{"DuckDB: top 5 sip,sport of NL, a day", []string{"python3", "-c", duckdbTop, files}})
	}
	return out
}

const duckdbTop = `import duckdb, sys
c = duckdb.connect(); c.execute("SET threads = 2"); f = "read_parquet('%s')" % sys.argv[1]
c.execute(f"select ip, port, sum(b) s from (select src ip, sport port, bytes b from {f} where scc = 'NL' union all select dst, dport, rev_bytes from {f} where dcc = 'NL' and rev_packets > 0) group by all order by s desc limit 5").fetchall()`

// spent is what a command took.
type spent struct {
	wall, cpu time.Duration
	memory    float64 // MB of resident memory at most
}

// measureWord has this program run another one: see ask.
const measureWord = "measure"

// ask runs a command and says what it took. It does so by way of a small process of its
// own, because what the kernel calls the memory of a process begins with that of the one
// that started it: here, after a day of flows was made, 800 MB.
func ask(command []string) (s spent, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	c := exec.Command(self, append([]string{measureWord}, command...)...)
	var out, took bytes.Buffer
	c.Stdout, c.Stderr = &took, &out
	if err := c.Run(); err != nil {
		return s, fmt.Errorf("%w: %s", err, &out)
	}
	_, err = fmt.Sscan(took.String(), &s.wall, &s.cpu, &s.memory)
	return s, err
}

// measure runs a command and prints what it took: wall and CPU time in nanoseconds, and
// MB. What the command itself prints goes to stderr.
func measure(command []string) error {
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	begun := time.Now()
	if err := c.Run(); err != nil {
		return err
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Println(time.Since(begun).Nanoseconds(), (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Nanoseconds(), float64(usage.Maxrss)/1024)
	return nil
}

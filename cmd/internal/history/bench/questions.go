package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// question is asked of each program that can answer it.
type question struct {
	name     string
	programs []command
}

type command struct {
	program string
	args    []string
	status  int // that it may exit with, besides 0
}

// questions are what is asked: nfdump and DuckDB what their languages allow.
func questions(dir, program string, days int) (out []question) {
	history, nfcapd := filepath.Join(dir, "flows"), filepath.Join(dir, "nfcapd")
	first, last := day.Format(time.DateOnly), day.AddDate(0, 0, days-1).Format(time.DateOnly)
	files := filepath.Join(history, first, "*.parquet")
	hasNfdump, hasDuckDB := installed("nfdump"), exec.Command("python3", "-c", "import duckdb").Run() == nil
	ask := func(name, end, ours string, nfdump []string, duckdb string) {
		args := append([]string{program}, strings.Fields(ours+" --history "+history+" --utc --start "+first+" --end "+end)...)
		q := question{name: name, programs: []command{{"flowhound", args, 3}}}
		if nfdump != nil && hasNfdump {
			q.programs = append(q.programs, command{"nfdump", append([]string{"nfdump", "-R", nfcapd, "-q"}, nfdump...), 0})
		}
		if duckdb != "" && hasDuckDB {
			q.programs = append(q.programs, command{"DuckDB", []string{"python3", "-c", duckdbSetup + duckdb, files, dir}, 0})
		}
		out = append(out, q)
	}
	out = append(out, question{name: "what is kept, all days", programs: []command{{"flowhound", []string{program, "history", "--history", history}, 0}}})
	top := func(fields, filter string) []string {
		return []string{"-A", fields, "-O", "bytes", "-n", "5", filter}
	}
	ask("top 5 sip,sport of a country, a day", first, "top --fields sip,sport --scc NL --count 5", nil, duckdbTop("src, sport", "dst, dport", "scc = 'NL'", "dcc = 'NL'"))
	ask("top 5 sip,sport of a /4, a day", first, "top --fields sip,sport --sip 64.0.0.0/4 --count 5", top("srcip,srcport", "src net 64.0.0.0/4"),
		duckdbTop("src, sport", "dst, dport", in4("src"), in4("dst")))
	ask("top 5 sip of all, a day", first, "top --fields sip --count 5", top("srcip", "any"), duckdbTop("src", "dst", "true", "true"))
	ask("top 5 sip,sport of all, a day", first, "top --fields sip,sport --count 5", top("srcip,srcport", "any"), duckdbTop("src, sport", "dst, dport", "true", "true"))
	ask("the first flow of a day", first, "flows --limit 1", nil, "")
	ask("one address, a day", first, "flows --limit 1000 --any-ip 60.38.102.81 --json", []string{"ip 60.38.102.81"},
		"c.execute(f\"select * from {f} where src = $1 or dst = $1 or nat_src = $1 or nat_dst = $1\", [bytes(10) + bytes([255, 255, 60, 38, 102, 81])]).fetchall()")
	if days >= daysOfMonth {
		end := day.AddDate(0, 0, daysOfMonth-1).Format(time.DateOnly)
		ask("country by hour, a month", end, "top --fields hour,scc", nil, "")
		ask("country by hour, a month, all lines", end, "top --fields hour,scc --count 0", nil, "")
		ask("one country by hour, a month", end, "top --fields hour --scc NL --count 0", nil, "")
	}
	ask("country by hour, all days", last, "top --fields hour,scc --count 0", nil, "")
	ask("service by hour, all days", last, "top --fields hour,service --count 1000", nil, "")
	for _, h := range [][2]string{{"none", "none"}, {"0.01%", "few"}, {"1%", "many"}} {
		list := filepath.Join(dir, h[1])
		var nfdump []string
		if hasNfdump && writeFilter(list+".txt", list+".nfdump") == nil {
			nfdump = []string{"-f", list + ".nfdump", "-A", "srcip,dstip", "-O", "bytes", "-n", "0"}
		}
		ask("hunt 100,000 indicators, "+h[0]+" listed, a day", first, "hunt @"+list+".txt --json", nfdump, fmt.Sprintf(duckdbHunt, h[1]))
	}
	ask("hunt 100,000 networks, none listed, a day", first, "hunt @"+filepath.Join(dir, "networks.txt")+" --json", nil, "")
	if days > 1 {
		ask("one address, all days", last, "flows --limit 1000 --any-ip 60.38.102.81 --json", nil, "")
		ask("hunt 100,000 indicators, none listed, all days", last, "hunt @"+filepath.Join(dir, "none.txt")+" --json", nil, "")
	}
	return out
}

// daysOfMonth is how many days a month has here.
const daysOfMonth = 30

const duckdbSetup = `import duckdb, sys
c = duckdb.connect(); c.execute("SET threads = 2"); f = "read_parquet('%s')" % sys.argv[1]
`

func duckdbTop(forward, back, if1, if2 string) string {
	return fmt.Sprintf(`c.execute(f"select %s, sum(bytes) s from (select %s, bytes from {f} where %s union all select %s, rev_bytes from {f} where %s and rev_packets > 0) group by all order by s desc limit 5").fetchall()`,
		forward, forward, if1, back, if2)
}

func in4(column string) string {
	return fmt.Sprintf(`%s >= '\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xff\\xff\\x40\\x00\\x00\\x00'::blob and %s < '\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xff\\xff\\x50\\x00\\x00\\x00'::blob`, column, column)
}

// duckdbHunt sums up by pair what one of the list's addresses or /24 networks has.
const duckdbHunt = `import ipaddress
v4 = lambda a: bytes(10) + b"\xff\xff" + ipaddress.ip_address(a).packed
lines = open(sys.argv[2] + "/%s.txt").read().split()
one, net = [v4(l) for l in lines if "/" not in l], [v4(l[:-3])[:15] for l in lines if "/" in l]
c.execute("create table one as select unnest($1::blob[]) a", [one]); c.execute("create table net as select unnest($1::blob[]) a", [net])
found = " or ".join("%%s in (select a from one) or %%s[1:15] in (select a from net)" %% (s, s) for s in ("src", "dst"))
c.execute(f"select src, dst, min(start), max(start), count(*), sum(bytes + rev_bytes) from {f} where {found} group by all").fetchall()`

// compare asks the programs in turn, several times, and prints the medians.
func compare(q *question, rounds int) error {
	took := make([][]spent, len(q.programs))
	for range rounds {
		for i, p := range q.programs {
			s, err := p.run()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", q.name, p.program, err)
			}
			took[i] = append(took[i], s)
		}
	}
	fmt.Printf("%s\n%14s %10s %10s %10s %9s %7s\n", q.name, "", "median s", "least s", "cpu s", "MB", "ratio")
	var ours time.Duration
	for i, all := range took {
		slices.SortFunc(all, func(a, b spent) int { return int(a.wall - b.wall) })
		m := all[len(all)/2]
		if i == 0 {
			ours = m.wall
		}
		fmt.Printf("%14s %10.3f %10.3f %10.3f %9.0f %7.2f\n", q.programs[i].program, m.wall.Seconds(), all[0].wall.Seconds(), m.cpu.Seconds(), m.memory, m.wall.Seconds()/ours.Seconds())
	}
	return nil
}

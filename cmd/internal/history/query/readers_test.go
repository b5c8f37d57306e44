package query

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// kept writes records into a history on disk.
func kept(t *testing.T, records []flow.Record) (dir string) {
	t.Helper()
	return keptAt(t, records, places)
}

// keptAt is kept with places of its own.
func keptAt(t *testing.T, records []flow.Record, at column.Places) (dir string) {
	t.Helper()
	dir = t.TempDir()
	w, err := dataset.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.Places = at
	for _, err := range []error{w.Add(records), w.Flush(), w.Tidy(context.Background(), time.Now().AddDate(10, 0, 0)), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// reader runs testdata/readers.py and returns its rows by their number.
func reader(t *testing.T, module, of, dir string) map[int][][]any {
	t.Helper()
	python := peer.Path(t, "python3", "python3")
	if out, err := exec.Command(python, "-c", "import "+module).CombinedOutput(); err != nil {
		peer.Missing(t, "python's %s is not installed (pip install %s): %s", module, module, out)
	}
	integrations, err := filepath.Abs("../../../../integrations")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "testdata/readers.py", of, dir, integrations).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", of, err, out)
	}
	rows := map[int][][]any{}
	for line := range strings.Lines(string(out)) {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var row []any
		if err := d.Decode(&row); err != nil {
			t.Fatalf("%s says %s", of, line)
		}
		n := int(row[0].(json.Number)[0] - '0')
		rows[n] = append(rows[n], row[1:])
	}
	return rows
}

// lines prints rows, sorted.
func lines(rows [][]any) []string {
	var out []string
	for _, r := range rows {
		for i, v := range r {
			if s, ok := v.(string); ok {
				if a, err := netip.ParseAddr(s); err == nil {
					r[i] = a // whatever its spelling
				}
				r[i] = fraction.ReplaceAllString(fmt.Sprint(r[i]), "$1")
			}
		}
		out = append(out, strings.TrimSpace(fmt.Sprintln(r...)))
	}
	slices.Sort(out)
	return out
}

// fraction is the fraction of a second in a time, which not all print.
var fraction = regexp.MustCompile(`(:\d\d)\.\d+$`)

// ranked3 is Top's answer to a question of the integrations, as rows.
func ranked3(t *testing.T, d *Data, expression, fields string, count int) (rows [][]any) {
	t.Helper()
	filter, err := Parse(expression, Env{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(fields)
	if err != nil {
		t.Fatal(err)
	}
	o := TopOptions{Keys: keys, Count: count}
	top, err := d.Top(context.Background(), Question{Filter: filter}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range top.Rows {
		key := o.KeyOf(&r)
		for i, v := range key {
			switch v := v.(type) {
			case time.Time:
				key[i] = v.Format(time.DateTime)
			case string:
				key[i] = inFiles(v)
			}
		}
		rows = append(rows, append(key, r.Value))
	}
	return rows
}

// inFiles is a country as files have it.
func inFiles(country string) string {
	if country == "private" {
		return "xp"
	}
	return country
}

// talked is who talked to an address: first, last, flows, bytes.
func talked(all []Record, a flow.Addr) (rows [][]any) {
	type pair struct{ src, dst flow.Addr }
	found := map[pair][]Record{}
	for _, r := range all {
		if r.Src == a || r.Dst == a {
			found[pair{r.Src, r.Dst}] = append(found[pair{r.Src, r.Dst}], r)
		}
	}
	for p, of := range found {
		first, last, sum := of[0].Begin(), of[0].Begin(), uint64(0)
		for _, r := range of {
			first, last = min(first, r.Begin()), max(last, r.Begin())
			sum += r.scale(r.Bytes, false)
		}
		rows = append(rows, []any{p.src.String(), p.dst.String(), time.Unix(0, first).UTC().Format(time.DateTime), time.Unix(0, last).UTC().Format(time.DateTime), len(of), sum})
	}
	return rows
}

// sameLines compares sorted lines.
func sameLines(t *testing.T, n int, got, want []string) {
	t.Helper()
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("question %d: %d rows, want %d", n, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("question %d: row %d is\n%s\nwant\n%s", n, i, got[i], want[i])
			return
		}
	}
}

// TestReadersAgree: DuckDB and ClickHouse read the files in place. Their view of records
// has the records that we have, behind NAT and of pings, too, and the three questions of
// each have the answers that we give.
func TestReadersAgree(t *testing.T) {
	peer.Long(t)
	rnd := rand.New(rand.NewPCG(11, 12))
	records := traffic(rnd, 3000)
	for i := range records { // what the questions of the integrations ask for
		for _, a := range []*flow.Addr{&records[i].Src, &records[i].Dst} {
			if *a == addr("10.0.1.1") {
				*a = addr("10.20.0.7")
			}
		}
	}
	dir := kept(t, records)
	d, closed, err := Open(dir, time.Time{}, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	want := map[int][][]any{}
	for _, r := range everything(t, d) {
		bytes, packets := r.scale(r.Bytes, false), r.scale(r.Packets, false)
		want[0] = append(want[0], []any{floorMillis(r.Begin()), r.Src.String(), r.Dst.String(), r.SrcPort, r.DstPort, r.Proto, r.TCPFlags, r.InIf, r.OutIf, r.ICMPType, inFiles(r.SrcCC), inFiles(r.DstCC), r.SrcAS, r.DstAS, bytes, packets})
	}
	conversations, answered := 0, 0
	if _, err := d.Records(context.Background(), Question{}, RecordOptions{Biflow: true}, func(f *Found) error {
		conversations++
		if f.Conversation.Answered {
			answered++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want[1] = ranked3(t, d, "src country NL", "sip,sport", 5)
	want[2] = talked(everything(t, d), addr("10.20.0.7"))
	want[3] = ranked3(t, d, "", "hour,scc", 0)
	for module, of := range map[string]string{"duckdb": "duckdb", "chdb": "clickhouse"} {
		t.Run(of, func(t *testing.T) {
			got := reader(t, module, of, dir)
			for n := range 4 {
				sameLines(t, n, lines(got[n]), lines(want[n]))
			}
			if len(got[4]) != 1 || fmt.Sprintf("%v %v", got[4][0][0], got[4][0][1]) != fmt.Sprintf("%d %d", conversations, answered) {
				t.Errorf("conversations and answers: %v, want %d and %d", got[4], conversations, answered)
			}
		})
	}
	t.Run("spark", func(t *testing.T) {
		got := reader(t, "pyarrow", "spark", dir)
		if len(got[5]) > 0 || len(got[6]) == 0 {
			t.Errorf("what Spark does not read: %v; %d files", got[5], len(got[6]))
		}
	})
}

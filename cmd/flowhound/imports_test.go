package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/flowhound/flowhound"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath, Dir string
	Doc             string
	GoFiles         []string
	Imports, Deps   []string
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := packagesOnce()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

var packagesOnce = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("go list: %s", exit.Stderr)
		}
		return nil, err
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		return nil, fmt.Errorf("go list found %d packages only", len(pkgs))
	}
	return pkgs, nil
})

// importRules say, a line a package, which of the project's packages and which modules
// it may import. A name that ends in a slash stands for all below it. The standard
// library is always allowed, and to a parent its own children.
const importRules = `
cmd/flowhound: cmd/internal/ plugin/hit plugin/host plugin/nearest plugin/text github.com/coreos/go-systemd/ github.com/schollz/progressbar/ github.com/spf13/ golang.org/x/
cmd/internal/agent: cmd/internal/ github.com/prometheus/client_golang/ plugin/hit plugin/text
cmd/internal/alert: cmd/internal/flow cmd/internal/intel cmd/internal/match cmd/internal/settings plugin/hit
cmd/internal/alert/logged: plugin/hit
cmd/internal/alert/journal: cmd/internal/file cmd/internal/finding cmd/internal/metric github.com/prometheus/client_golang/prometheus plugin/hit plugin/hit/hitpb
cmd/internal/alert/journal/journaltest: cmd/internal/alert/journal plugin/hit
cmd/internal/alert/logfile: cmd/internal/alert/journal cmd/internal/file cmd/internal/finding cmd/internal/metric cmd/internal/settings github.com/prometheus/client_golang/prometheus plugin/hit
cmd/internal/alert/output: cmd/internal/alert/journal cmd/internal/file cmd/internal/finding cmd/internal/intel cmd/internal/settings plugin plugin/hit plugin/retry plugin/text
cmd/internal/alert/output/run: cmd/internal/alert/journal cmd/internal/alert/output cmd/internal/file cmd/internal/finding cmd/internal/metric github.com/prometheus/client_golang/prometheus plugin/hit plugin/host
cmd/internal/alert/regular:
cmd/internal/alert/throttle: cmd/internal/alert cmd/internal/alert/journal cmd/internal/alert/regular cmd/internal/file cmd/internal/finding cmd/internal/flow cmd/internal/intel cmd/internal/match cmd/internal/metric github.com/prometheus/client_golang/prometheus plugin/hit
cmd/internal/alert/series: cmd/internal/alert/journal cmd/internal/file cmd/internal/finding plugin/hit
cmd/internal/columns: cmd/internal/parallel
cmd/internal/config: cmd/internal/ go.yaml.in/yaml/ plugin/hit plugin/nearest plugin/text
cmd/internal/control:
cmd/internal/control/doctor: cmd/internal/control cmd/internal/finding
cmd/internal/control/feeds: cmd/internal/control cmd/internal/datadir cmd/internal/intel/dnsbl cmd/internal/intel/feed cmd/internal/intel/feed/fetch
cmd/internal/control/flows: cmd/internal/control cmd/internal/flow cmd/internal/history cmd/internal/history/column cmd/internal/history/dataset
cmd/internal/control/names: cmd/internal/control plugin/hit
cmd/internal/control/outputs: cmd/internal/alert/journal cmd/internal/alert/output cmd/internal/alert/output/run cmd/internal/control cmd/internal/datadir plugin/host
cmd/internal/control/status: cmd/internal/alert/output/run cmd/internal/control cmd/internal/finding cmd/internal/flow/exporters cmd/internal/intel/export/keep cmd/internal/intel/feed cmd/internal/stage
cmd/internal/control/trial: cmd/internal/alert/logged cmd/internal/alert/output/run cmd/internal/control cmd/internal/intel cmd/internal/stage plugin/hit
cmd/internal/datadir:
cmd/internal/demo: cmd/internal/columns cmd/internal/geo cmd/internal/hosts cmd/internal/intel cmd/internal/intel/export/keep cmd/internal/intel/feed cmd/internal/parallel plugin/hit plugin/text
cmd/internal/file:
cmd/internal/finding: plugin/text
cmd/internal/flow:
cmd/internal/flow/netflow: cmd/internal/file cmd/internal/flow cmd/internal/flow/packet
cmd/internal/flow/packet: cmd/internal/flow
cmd/internal/flow/pcap: cmd/internal/flow cmd/internal/flow/packet github.com/klauspost/compress/
cmd/internal/flow/printed: cmd/internal/flow
cmd/internal/flow/exporters: cmd/internal/finding cmd/internal/flow/netflow cmd/internal/metric github.com/prometheus/client_golang/prometheus plugin/hit
cmd/internal/flow/udp: cmd/internal/finding cmd/internal/metric cmd/internal/priority cmd/internal/settings github.com/prometheus/client_golang/prometheus golang.org/x/ plugin/hit
cmd/internal/flow/lane: cmd/internal/flow cmd/internal/offheap
cmd/internal/history: cmd/internal/file cmd/internal/finding cmd/internal/flow cmd/internal/flow/lane cmd/internal/metric cmd/internal/offheap cmd/internal/priority cmd/internal/settings github.com/prometheus/client_golang/prometheus plugin/text
cmd/internal/history/column: cmd/internal/bounded cmd/internal/file cmd/internal/flow github.com/klauspost/compress/ github.com/parquet-go/parquet-go github.com/parquet-go/parquet-go/
cmd/internal/history/dataset: cmd/internal/bounded cmd/internal/file cmd/internal/flow cmd/internal/history/column cmd/internal/history/wal cmd/internal/parallel github.com/klauspost/compress/
cmd/internal/history/wal: cmd/internal/bounded cmd/internal/file cmd/internal/flow github.com/klauspost/compress/
cmd/internal/history/bench: cmd/internal/flow cmd/internal/history/dataset cmd/internal/history/query cmd/internal/history/query/show plugin/plugintest/peer testdata/bench/flowgen
cmd/internal/history/query: cmd/internal/flow cmd/internal/history/column cmd/internal/history/dataset cmd/internal/parallel cmd/internal/priority plugin/nearest
cmd/internal/history/query/alerts: cmd/internal/alert/series cmd/internal/flow cmd/internal/history/query plugin/hit
cmd/internal/history/query/show: cmd/internal/flow cmd/internal/history/query cmd/internal/parallel github.com/parquet-go/parquet-go github.com/parquet-go/parquet-go/compress/zstd
cmd/internal/history/foreign: cmd/internal/flow cmd/internal/flow/netflow cmd/internal/flow/pcap cmd/internal/flow/printed
cmd/internal/history/hunt: cmd/internal/alert cmd/internal/alert/journal cmd/internal/alert/regular cmd/internal/bounded cmd/internal/file cmd/internal/finding cmd/internal/flow cmd/internal/history/column cmd/internal/history/query cmd/internal/intel cmd/internal/match cmd/internal/metric cmd/internal/parallel cmd/internal/priority github.com/prometheus/client_golang/prometheus plugin/hit
cmd/internal/file/watch: cmd/internal/file github.com/fsnotify/fsnotify
cmd/internal/geo: cmd/internal/file cmd/internal/file/watch cmd/internal/finding cmd/internal/flow cmd/internal/metric cmd/internal/settings github.com/gaissmai/bart github.com/oschwald/maxminddb-golang/v2 github.com/prometheus/client_golang/prometheus plugin/hit plugin/text
cmd/internal/geo/gen: cmd/internal/geo cmd/internal/geo/table
cmd/internal/geo/table: cmd/internal/bounded cmd/internal/flow
cmd/internal/hosts: cmd/internal/file cmd/internal/file/watch cmd/internal/finding cmd/internal/metric cmd/internal/resolver cmd/internal/settings github.com/gaissmai/bart github.com/jellydator/ttlcache/v3 github.com/miekg/dns github.com/prometheus/client_golang/prometheus golang.org/x/ plugin/hit plugin/text
cmd/internal/intel: github.com/gaissmai/bart
cmd/internal/intel/dnsbl: cmd/internal/resolver cmd/internal/finding cmd/internal/flow cmd/internal/intel cmd/internal/intel/feed/ingest cmd/internal/metric cmd/internal/settings github.com/prometheus/client_golang/prometheus plugin/hit plugin/nearest plugin/retry github.com/jellydator/ttlcache/v3 github.com/miekg/dns golang.org/x/
cmd/internal/intel/known: cmd/internal/intel
cmd/internal/intel/dnstest: plugin/plugintest/peer golang.org/x/
cmd/internal/intel/export: cmd/internal/file cmd/internal/intel golang.org/x/ plugin/text
cmd/internal/intel/export/keep: cmd/internal/finding cmd/internal/intel cmd/internal/intel/export cmd/internal/metric cmd/internal/settings github.com/prometheus/client_golang/prometheus plugin/hit plugin/nearest plugin/retry plugin/text
cmd/internal/intel/feed: cmd/internal/file cmd/internal/file/watch cmd/internal/finding cmd/internal/intel cmd/internal/intel/feed/ingest cmd/internal/intel/known cmd/internal/metric cmd/internal/settings github.com/gaissmai/bart github.com/prometheus/client_golang/prometheus golang.org/x/ plugin/hit plugin/retry plugin/text
cmd/internal/intel/feed/abusech: cmd/internal/intel cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/archive: cmd/internal/file
cmd/internal/intel/feed/dshield: cmd/internal/intel cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/fetch: github.com/hashicorp/go-retryablehttp golang.org/x/ plugin/retry plugin/text
cmd/internal/intel/feed/ingest: cmd/internal/intel github.com/gaissmai/bart golang.org/x/ plugin/text
cmd/internal/intel/feed/ingest/ingesttest: cmd/internal/intel cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/list: cmd/internal/intel cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/misp: cmd/internal/file cmd/internal/intel cmd/internal/intel/feed/fetch cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/otx: cmd/internal/intel cmd/internal/intel/feed/archive cmd/internal/intel/feed/fetch cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/spamhaus: cmd/internal/intel cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/taxii: cmd/internal/intel cmd/internal/intel/feed/archive cmd/internal/intel/feed/fetch cmd/internal/intel/feed/ingest
cmd/internal/intel/feed/warninglist: cmd/internal/intel cmd/internal/intel/feed/ingest
cmd/internal/match: cmd/internal/flow cmd/internal/intel
cmd/internal/metric: github.com/prometheus/client_golang/prometheus
cmd/internal/bounded:
cmd/internal/parallel:
cmd/internal/offheap:
cmd/internal/priority:
cmd/internal/replay: cmd/internal/geo cmd/internal/alert cmd/internal/alert/throttle cmd/internal/flow cmd/internal/flow/netflow cmd/internal/flow/pcap cmd/internal/intel cmd/internal/match cmd/internal/site cmd/internal/stage plugin/hit
cmd/internal/resolver: github.com/miekg/dns
cmd/internal/settings: github.com/go-playground/validator/ go.yaml.in/yaml/ plugin/nearest plugin/text
cmd/internal/setup: cmd/internal/file cmd/internal/finding decoders plugin/text golang.org/x/ rules
cmd/internal/site: cmd/internal/settings
cmd/internal/stage: cmd/internal/site cmd/internal/alert cmd/internal/finding cmd/internal/flow cmd/internal/flow/netflow cmd/internal/flow/udp cmd/internal/intel cmd/internal/intel/dnsbl cmd/internal/match cmd/internal/metric github.com/gaissmai/bart github.com/prometheus/client_golang/prometheus
cmd/internal/web: cmd/internal/finding cmd/internal/metric cmd/internal/settings github.com/prometheus/ golang.org/x/
cmd/internal/web/api: cmd/internal/alert cmd/internal/alert/logfile cmd/internal/alert/output/run cmd/internal/alert/series cmd/internal/finding cmd/internal/flow cmd/internal/flow/exporters cmd/internal/history/hunt cmd/internal/history/query cmd/internal/history/query/alerts cmd/internal/history/query/show cmd/internal/intel cmd/internal/intel/export/keep cmd/internal/intel/feed cmd/internal/metric cmd/internal/priority cmd/internal/settings cmd/internal/web/users github.com/prometheus/ plugin/hit plugin/nearest rules
cmd/internal/web/users: cmd/internal/file plugin/text golang.org/x/
decoders:
integrations:
plugin: github.com/go-playground/validator/ github.com/hashicorp/ google.golang.org/grpc plugin/hit plugin/hit/hitpb plugin/text
plugin/elasticsearch: github.com/elastic/ integrations plugin plugin/hit plugin/retry plugin/text
plugin/hit: plugin/text
plugin/host: github.com/hashicorp/ golang.org/x/ google.golang.org/grpc google.golang.org/grpc/ plugin plugin/internal/pb plugin/internal/wire plugin/retry plugin/text
plugin/hit/hitpb: google.golang.org/protobuf/ plugin/hit plugin/text
plugin/internal/pb: github.com/hashicorp/go-plugin google.golang.org/ plugin/hit/hitpb
plugin/internal/wire: google.golang.org/ plugin plugin/hit/hitpb plugin/internal/pb plugin/text
plugin/nearest:
plugin/plugintest: google.golang.org/grpc google.golang.org/grpc/ plugin plugin/hit plugin/internal/wire plugin/plugintest/peer plugin/text
plugin/plugintest/peer:
plugin/retry:
plugin/syslog: golang.org/x/ plugin plugin/hit plugin/text
plugin/text:
plugin/webhook: plugin plugin/hit plugin/retry plugin/text
rules: plugin/hit
`

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	standard := map[string]bool{}
	cmd := exec.Command("go", "list", "std")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		standard[p] = true
	}
	rules := map[string][]string{}
	for line := range strings.Lines(importRules) {
		if name, allowed, ok := strings.Cut(line, ":"); ok {
			rules[name] = strings.Fields(allowed)
		}
	}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, ok := rules[name]
		if !ok {
			t.Errorf("%s has no line in importRules", name)
			continue
		}
		delete(rules, name)
		for _, imp := range p.Imports {
			if standard[imp] || mayImport(allowed, name, strings.TrimPrefix(imp, module+"/")) {
				continue
			}
			t.Errorf("%s imports %s: its rule allows the standard library and %q", name, imp, allowed)
		}
	}
	for name := range rules {
		t.Errorf("importRules has a line for %s, which is gone", name)
	}
}

// TestPartsStandAlone: nothing but the commands knows the agent, and nothing but the
// agent and the commands knows the whole configuration: a part is given its own.
func TestPartsStandAlone(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			switch imp = strings.TrimPrefix(imp, module+"/"); {
			case name == "cmd/flowhound":
			case imp == "cmd/internal/agent", imp == "cmd/internal/config" && name != "cmd/internal/agent":
				t.Errorf("%s imports %s", name, imp)
			}
		}
	}
}

func mayImport(allowed []string, from, imp string) bool {
	if strings.HasPrefix(imp, from+"/") { // a parent may gather its own children
		return true
	}
	for _, a := range allowed {
		if imp == a || strings.HasSuffix(a, "/") && strings.HasPrefix(imp, a) {
			return true
		}
	}
	return false
}

// TestFlowPathReachesNoPluginCode keeps gRPC away from the path of a flow, and HTTP from
// the match.
func TestFlowPathReachesNoPluginCode(t *testing.T) {
	t.Parallel()
	never := map[string][]string{
		module + "/cmd/internal/match": {"google.golang.org/", "github.com/hashicorp/", "net/http"},
		module + "/cmd/internal/stage": {"google.golang.org/grpc", "github.com/hashicorp/"},
	}
	for _, p := range listPackages(t) {
		for _, prefix := range never[p.ImportPath] {
			for _, d := range p.Deps {
				if strings.HasPrefix(d, prefix) {
					t.Errorf("%s reaches %s", p.ImportPath, d)
				}
			}
		}
		delete(never, p.ImportPath)
	}
	if len(never) > 0 {
		t.Fatalf("packages are gone: %v", never)
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if len(p.GoFiles) > 0 && len(p.Doc) < 20 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestTopLevel holds the top level to its agreed folders and files.
func TestTopLevel(t *testing.T) {
	agreed := map[string]bool{}
	for _, n := range strings.Fields("cmd plugin decoders rules integrations testdata go.mod go.sum install.sh README.md LICENSE NOTICE") {
		agreed[n] = true
	}
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	for f := range strings.FieldsSeq(string(out)) {
		top, _, _ := strings.Cut(f, "/")
		if !agreed[top] && !strings.HasPrefix(top, ".") {
			t.Errorf("%s is not in the agreed top level", top)
		}
	}
}

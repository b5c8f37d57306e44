package config

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/hosts"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/cmd/internal/site"
	"github.com/flowhound/flowhound/plugin/hit"
)

var update = flag.Bool("update", false, "rewrite testdata/broken/*.txt")

const secret = "hunter2 of the garden"

// Each testdata/broken/NAME.yaml gets the problems in NAME.txt, word for word.
func TestBroken(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_SECRET", secret)
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files:", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse("flowhound.yaml", data)
			if err == nil {
				t.Fatalf("accepted as\n%s", c)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, secret) {
				t.Errorf("tells a secret:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

const minimal = "feeds: [{name: a, type: list, path: /a}]\n"

func mustParse(t *testing.T, data string) *Config {
	t.Helper()
	c, err := Parse("/etc/flowhound/flowhound.yaml", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	want := Default()
	want.Feeds = []feed.Source{{Name: "a", Type: feed.List, Path: "/a", Confidence: 60, HasCategory: true, Format: "auto"}}
	// Sections whose every line is commented out are as good as absent.
	for _, empty := range []string{"", "\r\n# from Windows\r\nlog:\r\n  keep: 7\r\n", "alert:\nweb:\nlisten:\nnetworks: {local: }\n", "alert: {}\nlog: {}\n"} {
		if got := mustParse(t, minimal+empty); !reflect.DeepEqual(got, want) {
			t.Errorf("with %q:\n%s\nwant\n%s", empty, got, want)
		}
	}
}

func TestEveryKey(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_WINDOW", "90s")
	t.Setenv("FLOWHOUND_TEST_DIR", "/srv")
	got := mustParse(t, `
listen: ["udp://127.0.0.1:0", "udp://[2001:db8::1]:9995", "udp://gw.example:2055"]
exporters:
  allow: [192.0.2.0/24, 198.51.100.1, "::ffff:203.0.113.1", 2001:db8::/32]
  sampling: {192.0.2.1: 100, "::ffff:192.0.2.2": 4294967295}
  out_bytes: {192.0.2.1: reverse, "::ffff:192.0.2.2": same}
  max: "10"
  key_port: true
networks:
  local: []
  service_ports: [8765, 30000-30002]
geo:
  database: geo/country.mmdb
  as_database: /srv/as.csv
  fallback: ""
  sites: [{name: home, country: no, inside: [10.20.0.0/16], outside: [{net: "::ffff:203.0.113.7", from: 2026-01-01, to: 2026-03-04T10:00Z}]}]
  overrides: [{net: "2001:470:1f0b:123::/64", country: SE, label: tunnel, from: "2026-03-04T10:00:00+02:00"}]
hosts: {files: [hosts, /var/lib/misc/dnsmasq.leases], ptr: true, resolvers: [192.0.2.53, "[2001:db8::53]:5353"]}
feeds:
  - {name: ours, type: list, path: lists/a.csv, format: csv, column: ip, category: c2, confidence: 0, reference: "https://wiki.example/a"}
  - {name: o_t-x, type: otx, path: "${FLOWHOUND_TEST_DIR}/p.json", confidence: 100}
  - {name: live, type: otx, every: 2h, api_key_file: otx.key, pulses: {authors: [AlienVault], deny_tlp: [red], min_subscribers: 3}}
  - {name: drop, type: spamhaus-drop}
  - {name: tor, type: tor, url: "https://mirror.example/tor.txt", every: 30m, max_shrink: 100, category: policy}
  - {name: zip, type: list, url: "https://lists.example/{key}/a.zip", member: a.txt, api_key: "${FLOWHOUND_TEST_DIR}"}
  - {name: taxii, type: taxii, url: "https://taxii.example/", username: me, password: "${FLOWHOUND_TEST_DIR}", collections: [a, b]}
contact: noc@example.net
alert: {window: "${FLOWHOUND_TEST_WINDOW}", max_window: 1d12h, min_severity: medium, severity: {c2: critical, ddos: info}, max_keys: 5000}
log: {path: a.log, format: json, max_size: 1 gib, keep: 0, hostname: gw-1.example}
allow: [allow.txt, "${FLOWHOUND_TEST_DIR}/warninglist.json"]
categories: {Emotet: c2, red team: policy}
mute:
  - {src: 10.1.2.3, cat: other, until: 2099-01-31, why: "a scanner"}
  - {ioc: "2001:db8::/32", until: "2099-01-31T18:00:00+02:00", why: "ticket 1"}
exports:
  - {format: rpz, path: out/rpz.db, action: {cname: walled.example}, reload: [rndc, reload, "${FLOWHOUND_TEST_DIR}"]}
  - {format: rpz, path: /srv/drop.db, zone: c2.rpz.example, action: drop, feeds: [ours], categories: [c2, botnet], min_score: 50, kinds: [domain], max: 1000, every: 1h, reload: [./notify, ./now], timeout: 5s}
  - {format: rpz, path: allow.db, action: allow}
  - {format: nftables, path: b.nft, name: bad}
data_dir: $HOME-${not-a-name}
sync: always
web: {listen: ""}
`)
	want := &Config{
		Listen: []udp.Address{{Scheme: "udp", Host: "127.0.0.1:0"}, {Scheme: "udp", Host: "[2001:db8::1]:9995"}, {Scheme: "udp", Host: "gw.example:2055"}},
		Exporters: site.Exporters{
			Allow: []netip.Prefix{
				netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.1/32"),
				netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("2001:db8::/32"),
			},
			Sampling: site.Sampling{netip.MustParseAddr("192.0.2.1"): 100, netip.MustParseAddr("192.0.2.2"): 4294967295},
			OutBytes: site.OutBytes{netip.MustParseAddr("192.0.2.1"): "reverse", netip.MustParseAddr("192.0.2.2"): "same"},
			Max:      10,
			KeyPort:  true,
		},
		Networks: site.Networks{Local: []netip.Prefix{}, ServicePorts: []site.PortRange{{First: 8765, Last: 8765}, {First: 30000, Last: 30002}}},
		Hosts:    hosts.Config{Files: []string{"/etc/flowhound/hosts", "/var/lib/misc/dnsmasq.leases"}, PTR: true, Resolvers: []string{"192.0.2.53", "[2001:db8::53]:5353"}},
		Geo: geo.Config{
			Database: "/etc/flowhound/geo/country.mmdb", ASDatabase: "/srv/as.csv",
			Sites: []geo.Site{{Name: "home", Country: geo.NewCountry("NO"), Inside: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}, Outside: []geo.Outside{{
				Net:  netip.MustParsePrefix("203.0.113.7/32"),
				From: geo.Moment{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, To: geo.Moment{Time: time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)},
			}}}},
			Overrides: []geo.Override{{
				Net: netip.MustParsePrefix("2001:470:1f0b:123::/64"), Country: geo.NewCountry("SE"), Label: "tunnel",
				From: geo.Moment{Time: time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)},
			}},
		},
		Feeds: []feed.Source{
			{
				Name: "ours", Type: feed.List, Path: "/etc/flowhound/lists/a.csv", Format: "csv", Column: "ip",
				Category: intel.C2, Reference: "https://wiki.example/a",
			},
			{Name: "o_t-x", Type: feed.OTX, Path: "/srv/p.json", Confidence: 100, Category: intel.Malware},
			{
				Name: "live", Type: feed.OTX, Every: 2 * time.Hour, KeyFile: "/etc/flowhound/otx.key", Confidence: 60, Category: intel.Malware,
				Pulses: otx.Choice{Authors: []string{"AlienVault"}, DenyTLPs: []string{"red"}, MinSubscribers: 3},
			},
			{Name: "drop", Type: "spamhaus-drop", Every: 12 * time.Hour, MaxShrink: 50, Confidence: 90, Category: intel.Malware},
			{
				Name: "tor", Type: "tor", URL: "https://mirror.example/tor.txt", Every: 30 * time.Minute, MaxShrink: 100, Confidence: 90,
				Category: intel.Policy, Reference: "https://metrics.torproject.org/exonerator.html",
			},
			{
				Name: "zip", Type: feed.List, URL: "https://lists.example/{key}/a.zip", Member: "a.txt", Key: "/srv", Every: time.Hour, MaxShrink: 50,
				Format: "auto", Confidence: 60,
			},
			{
				Name: "taxii", Type: feed.TAXII, URL: "https://taxii.example/", Every: time.Hour, Username: "me", Password: "/srv", Collections: []string{"a", "b"},
				Confidence: 60, Category: intel.Malware,
			},
		},
		Contact:    "noc@example.net",
		Allow:      []string{"/etc/flowhound/allow.txt", "/srv/warninglist.json"},
		Categories: map[string]intel.Category{"Emotet": intel.C2, "red team": intel.Policy},
		Mute: []alert.Mute{
			{Src: netip.MustParsePrefix("10.1.2.3/32"), Cat: "other", Until: time.Date(2099, 2, 1, 0, 0, 0, 0, time.UTC), Why: "a scanner"},
			{IOC: netip.MustParsePrefix("2001:db8::/32"), Until: time.Date(2099, 1, 31, 16, 0, 0, 0, time.UTC), Why: "ticket 1"},
		},
		Exports: keep.Config{
			{
				Format: "rpz", Path: "/etc/flowhound/out/rpz.db", Zone: "rpz.flowhound", Action: keep.Action{Word: "cname", CNAME: "walled.example"},
				Every: 5 * time.Minute, Reload: []string{"rndc", "reload", "/srv"}, Timeout: 30 * time.Second,
			},
			{
				Format: "rpz", Path: "/srv/drop.db", Zone: "c2.rpz.example", Action: keep.Action{Word: "drop"},
				Feeds: []string{"ours"}, Categories: []intel.Category{intel.C2, intel.Botnet}, MinScore: 50, Kinds: []string{"domain"}, Max: 1000,
				Every: time.Hour, Reload: []string{"/etc/flowhound/notify", "./now"}, Timeout: 5 * time.Second,
			},
			{Format: "rpz", Path: "/etc/flowhound/allow.db", Zone: "allow.rpz.flowhound", Action: keep.Action{Word: "allow"}, Every: 5 * time.Minute},
			{Format: "nftables", Path: "/etc/flowhound/b.nft", Name: "bad", Every: 5 * time.Minute},
		},
		Alert: throttle.Config{
			Window: 90 * time.Second, MaxWindow: 36 * time.Hour, MinSeverity: hit.Medium,
			Severity: map[intel.Category]hit.Severity{intel.C2: hit.Critical, intel.DDoS: hit.Info}, MaxKeys: 5000,
		},
		Log:     logfile.Config{Path: "/etc/flowhound/a.log", Format: logfile.JSON, MaxSize: settings.GiB, Hostname: "gw-1.example"},
		DataDir: "/etc/flowhound/$HOME-${not-a-name}",
		Sync:    journal.SyncAlways,
		RunDir:  "/etc/flowhound/$HOME-${not-a-name}/run",
	}
	want.History.SetDefaults()
	want.written = map[string]string{
		"alert.window":         "${FLOWHOUND_TEST_WINDOW}",
		"feeds[1].path":        "${FLOWHOUND_TEST_DIR}/p.json",
		"feeds[5].api_key":     "${FLOWHOUND_TEST_DIR}",
		"feeds[6].password":    "${FLOWHOUND_TEST_DIR}",
		"allow[1]":             "${FLOWHOUND_TEST_DIR}/warninglist.json",
		"exports[0].reload[2]": "${FLOWHOUND_TEST_DIR}",
	}
	for i := range want.Feeds {
		want.Feeds[i].HasCategory = true
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%#v\nwant\n%#v", got, want)
	}
	ports := got.Networks.AllServicePorts()
	for _, p := range []uint16{443, 8765, 30000, 30002} {
		if !slices.Contains(ports, p) {
			t.Errorf("%d is not among the service ports", p)
		}
	}
	if slices.Contains(ports, 30003) || !slices.IsSorted(ports) {
		t.Errorf("service ports %v", ports)
	}
}

// What String prints can be used as a configuration, and tells no secret.
func TestPrint(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_SECRET", "hunter2")
	t.Setenv("FLOWHOUND_TEST_RATE", "77777")
	c := mustParse(t, `
feeds:
  - {name: a, type: list, path: "/srv/${FLOWHOUND_TEST_SECRET}/a", reference: "https://u:${FLOWHOUND_TEST_SECRET}@wiki.example/"}
  - {name: b, type: otx, path: /b}
exporters:
  sampling: {2001:db8::1: 5, 192.0.2.9: "${FLOWHOUND_TEST_RATE}", 192.0.2.10: 2}
exports:
  - {format: rpz, path: a.db}
  - {format: rpz, path: b.db, action: {cname: "${FLOWHOUND_TEST_SECRET}"}, reload: [notify, "${FLOWHOUND_TEST_SECRET}"]}
  - {format: rpz, path: c.db, action: tcp-only, categories: [c2]}
  - {format: rpz, path: d.db, action: allow}
mute:
  - {src: 10.1.2.3, ioc: 2001:db8::/32, cat: other, until: 2099-01-31, why: "${FLOWHOUND_TEST_SECRET}"}
categories: {emotet: other}
log: {hostname: "${FLOWHOUND_TEST_SECRET}", max_size: 1500KB}
web: {listen: ""}
`)
	printed := c.String()
	for _, no := range []string{"hunter2", "77777"} {
		if strings.Contains(printed, no) {
			t.Errorf("prints %s", no)
		}
	}
	again := mustParse(t, printed)
	if !reflect.DeepEqual(c, again) || again.String() != printed {
		t.Errorf("changed by printing and reading:\n%s\nand\n%s", printed, again)
	}
	for _, line := range []string{
		"\n    path: /srv/${FLOWHOUND_TEST_SECRET}/a\n",
		"\n    192.0.2.9: ${FLOWHOUND_TEST_RATE}\n",
		"\n  max_size: 1500KB\n",
		"\n    why: ${FLOWHOUND_TEST_SECRET}\n",
		"\n  emotet: other\n",
		"\n    action: nxdomain\n",
		"\n      cname: ${FLOWHOUND_TEST_SECRET}\n",
		"\ndata_dir: /var/lib/flowhound\n",
	} {
		if !strings.Contains(printed, line) {
			t.Errorf("%q is not in\n%s", line, printed)
		}
	}
}

// The sockets of an agent with a data_dir of its own are in that, unless it is too
// long for them.
func TestRunDir(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_SECRET", "/hunter2")
	long := "/" + strings.Repeat("x", 95)
	for more, want := range map[string]string{
		"":                                     "/run/flowhound",
		"data_dir: /srv/fh\n":                  "/srv/fh/run",
		"data_dir: " + long:                    long + "/run",
		"run_dir: run\n":                       "/etc/flowhound/run",
		"data_dir: /x\nrun_dir: /y/z\n":        "/y/z",
		"data_dir: ${FLOWHOUND_TEST_SECRET}\n": "/hunter2/run",
	} {
		c := mustParse(t, minimal+more)
		if c.RunDir != want {
			t.Errorf("%q: %s, want %s", more, c.RunDir, want)
		}
		if strings.Contains(c.String(), "hunter2") {
			t.Errorf("%q: prints what comes from the environment:\n%s", more, c)
		}
		if warned := strings.Contains(c.Warnings.String(), ":2: warning: data_dir: "); warned != (len(want) > 94) {
			t.Errorf("%q: warnings %s", more, c.Warnings)
		}
	}
	if _, err := Parse("f", []byte(minimal+"run_dir: "+long)); err == nil || !strings.Contains(err.Error(), "f:2: run_dir: ") || !strings.Contains(err.Error(), "the longest has 94 bytes") {
		t.Errorf("too long: %v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // past the umask
			t.Fatal(err)
		}
		return path
	}
	write("here.txt", "192.0.2.1\n", 0o600)
	write("open.key", "key\n", 0o644)
	path := write("flowhound.yaml", "feeds:\n- {name: a, type: list, path: here.txt}\n- {name: b, type: list, path: gone.txt}\n- {name: c, type: otx, path: .}\n"+
		"- {name: d, type: otx, api_key_file: open.key}\n- {name: e, type: otx, api_key_file: gone.key}\n"+
		"exports:\n- {format: rpz, path: gone/rpz.db, reload: [gone-rndc, reload]}\n- {format: plain, path: all.txt, reload: [\"true\"]}\n- {format: plain, path: here.bak, reload: [rndc reload]}\nallow: [here.txt, gone-allow.txt]\n", 0o666)

	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := path + ": warning: everyone on this host may change this file; run: chmod o-w " + path + "\n" +
		path + `:3: warning: feeds[1].path: "gone.txt" cannot be read (no such file or directory); the feed has no indicators until it can` + "\n" +
		path + `:5: warning: feeds[3].api_key_file: others on this host may read "open.key"; run: chmod 0600 open.key` + "\n" +
		path + `:6: warning: feeds[4].api_key_file: "gone.key" cannot be read (no such file or directory); nothing is fetched until it can` + "\n" +
		path + `:8: warning: exports[0].path: there is no folder for "gone/rpz.db"; it cannot be written until there is` + "\n" +
		path + `:8: warning: exports[0].reload: there is no program "gone-rndc"; write its whole path` + "\n" +
		path + `:10: warning: exports[2].reload: "rndc reload" is taken for the name of one program; write its arguments as entries of their own: [rndc, reload]` + "\n" +
		path + `:11: warning: allow[1]: "gone-allow.txt" cannot be read (no such file or directory); what it allows is reported until it can`
	if got := c.Warnings.String(); got != want {
		t.Errorf("warnings\n%s\nwant\n%s", got, want)
	}

	// Errors come with the warnings, so that one look shows all.
	path = write("broken.yaml", "feeds:\n- {name: b, type: list, path: gone.txt}\nweb: 1\n", 0o600)
	if _, err = Load(path); err == nil || !strings.Contains(err.Error(), ":2: warning: feeds[0].path") || !strings.Contains(err.Error(), ":3: web:") {
		t.Errorf("got %v", err)
	}
	if _, err = Load(filepath.Join(dir, "gone.yaml")); !os.IsNotExist(unwrap(err)) {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err = Load(dir); err == nil {
		t.Error("a folder was loaded")
	}
	path = write("huge.yaml", minimal+strings.Repeat("# a comment\n", maxFile/12), 0o600)
	if _, err = Load(path); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("a huge file gives %v", err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

// Files that are made to cost much cost little, and are rejected in few words.
func TestHostile(t *testing.T) {
	const kb = 1000
	for name, data := range map[string]string{
		"nested lists":    strings.Repeat("[", 500*kb),
		"nested sections": strings.Repeat("{a: ", 200*kb),
		"nested dashes":   strings.Repeat("- ", 400*kb),
		"deep unknown":    "a: " + strings.Repeat("[", 9*kb) + strings.Repeat("]", 9*kb),
		"unknown keys": func() string {
			var b strings.Builder
			for i := range 20 * kb {
				fmt.Fprintf(&b, "k%d: 1\n", i)
			}
			return b.String()
		}(),
		"aliases":        "x: &a 1\nlisten: [" + strings.Repeat("*a,", 50*kb) + "]",
		"one long key":   strings.Repeat("a", 900*kb) + ": 1",
		"one long value": "data_dir: \"" + strings.Repeat("\\n", 400*kb) + "\"",
		"binary":         strings.Repeat("\x00\xff\x7fELF", 100*kb),
	} {
		_, err := Parse("flowhound.yaml", []byte(data))
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if n := len(err.Error()); n > 64*kb {
			t.Errorf("%s: %d bytes of problems", name, n)
		} else if name == "unknown keys" && !strings.HasSuffix(err.Error(), "\nflowhound.yaml: and 19901 more problems") {
			t.Errorf("what is not shown is not counted: %s", err.Error()[n-100:])
		}
	}
}

func TestNeedsRestart(t *testing.T) {
	before := mustParse(t, minimal)
	for more, want := range map[string][]string{
		"":                                       nil,
		"alert: {window: 1m}\nlog: {path: /x}\n": nil,
		"listen: [\"udp://:2056\"]\n":            {"listen"},
		"web: {listen: \"\"}\ndata_dir: /x\nlisten: [\"udp://:1\", \"udp://:2\"]\n": {"listen", "data_dir", "web.listen"},
		"run_dir: /x\n": {"run_dir"},
	} {
		if got := before.NeedsRestart(mustParse(t, minimal+more)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", more, got, want)
		}
	}
}

var settingLine = regexp.MustCompile(`(?m)^( *)#(\S)`)

// The example is a working configuration as it stands; with every setting
// switched on it still is, and then no key of Config is missing from it.
func TestExample(t *testing.T) {
	for _, name := range []string{"DQS_KEY", "LIST_KEY", "TAXII_PASSWORD"} {
		t.Setenv(name, "key")
	}
	c := mustParse(t, Example())
	if len(c.Feeds) != 1 || c.Feeds[0].Path != "/etc/flowhound/blacklist.txt" {
		t.Errorf("feeds: %v", c.Feeds)
	}
	all := settingLine.ReplaceAllString(Example(), "$1$2")
	d := parse("example.yaml", []byte(all))
	if _, err := d.result(); err != nil {
		t.Fatal(err)
	}
	for _, key := range settings.Keys(reflect.TypeFor[Config](), types()...) {
		if !slices.ContainsFunc([]string{"", "[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[7]"}, func(i string) bool {
			return d.Has(strings.NewReplacer("sites.", "sites"+i+".", "outside.", "outside"+i+".", "overrides.", "overrides"+i+".", "feeds.", "feeds"+i+".", "exports.", "exports"+i+".", "mute.", "mute"+i+".", "outputs.", "outputs"+i+".", "zones.", "zones"+i+".").Replace(key))
		}) {
			t.Errorf("the example does not show %s", key)
		}
	}
	// What is shown as a default is one.
	def := Default()
	def.Contact, def.KnownGood = d.config.Contact, d.config.KnownGood
	def.Allow, def.Exports, def.DNSBL = d.config.Allow, d.config.Exports, d.config.DNSBL
	def.Categories, def.Mute = d.config.Categories, d.config.Mute
	def.Outputs, def.PluginDir = d.config.Outputs, d.config.PluginDir
	def.Feeds, def.Exporters.Allow, def.Exporters.Sampling = d.config.Feeds, d.config.Exporters.Allow, d.config.Exporters.Sampling
	def.Exporters.OutBytes = d.config.Exporters.OutBytes
	def.Networks.NAT, def.Geo, def.Hosts = d.config.Networks.NAT, d.config.Geo, d.config.Hosts
	def.Networks.ServicePorts, def.Alert.Severity, def.Log.Hostname = d.config.Networks.ServicePorts, d.config.Alert.Severity, d.config.Log.Hostname
	def.Web.Hosts, def.Web.TLS, def.Web.Users, def.Web.Proxy = d.config.Web.Hosts, d.config.Web.TLS, d.config.Web.Users, d.config.Web.Proxy
	def.History.Dir = d.config.History.Dir
	def.written = d.config.written
	if got, want := d.config.String(), def.String(); got != want {
		t.Errorf("the example shows\n%s\nwhere the defaults are\n%s", got, want)
	}
}

// What the integrations say to put into the file can be put there.
func TestIntegrations(t *testing.T) {
	files, err := filepath.Glob("../../../integrations/*/flowhound.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no snippets:", err)
	}
	for _, file := range files {
		snippet, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, append([]byte(minimal), snippet...)); err != nil {
			t.Error(err)
		}
	}
}

package agent_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel/export"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestExports keeps a file as the list is, and tells whoever reads it.
func TestExports(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := writeList(t, t.TempDir())
	write(t, dir, "reload", "echo told $1 >> $1/told\n")
	r := start(t, dir, `feeds:
  - {name: ours, type: list, path: ours.txt, category: policy, confidence: 70}
exports:
  - {format: plain, path: all.txt, every: 1s, reload: [sh, `+dir+`/reload, `+dir+`]}
  - {format: plain, path: good.txt, min_score: 71, every: 1s}
  - {format: plain, path: slow.txt, every: 1h}
`)
	r.awaitFile("all.txt", ours())
	r.awaitFile("slow.txt", ours())
	r.awaitFile("good.txt", "")
	r.awaitLine(`export id=all\.txt status=ok indicators=1 msg="\S+/all\.txt holds 1 indicator"`)
	r.awaitFile("told", "told "+dir+"\n")

	r.write("ours.txt", ours("2", "3"))
	r.awaitFile("all.txt", ours("2", "3"))
	r.awaitFile("told", strings.Repeat("told "+dir+"\n", 2))
	r.awaitMetric(series("export_indicators", r.path("all.txt")), 3)
	if at := r.metrics()[series("export_timestamp_seconds", r.path("all.txt"))]; time.Since(time.Unix(int64(at), 0)) > time.Minute {
		t.Errorf("the file is said to be up to date since %v", at)
	}

	// What is in the file already is not written again, and nobody is told.
	before, looked := identity(t, r.path("all.txt")), r.metrics()[series("export_timestamp_seconds", r.path("all.txt"))]
	r.write("ours.txt", "# the same\n"+ours("2", "3"))
	r.await("a look at the new set", func() bool {
		return r.metrics()[series("export_timestamp_seconds", r.path("all.txt"))] > looked
	})
	if identity(t, r.path("all.txt")) != before || strings.Count(r.read("told"), "\n") != 2 {
		t.Error("what is the same is written again")
	}

	r.write("ours.txt", ours("2", "3", "4"))
	r.awaitFile("all.txt", ours("2", "3", "4"))
	r.awaitFile("told", strings.Repeat("told "+dir+"\n", 3))
	if identity(t, r.path("all.txt")) == before {
		t.Error("the file was written in place: whoever reads it meanwhile gets half of it")
	}
	if got := r.read("slow.txt"); got != ours() {
		t.Errorf("the file of the hour is written again within it:\n%s", got)
	}
	if n := r.metrics()[series("export_failures_total", r.path("all.txt"))]; n != 0 {
		t.Errorf("%v failures", n)
	}
}

// TestExportFails: what cannot be written is said once, tried again, and said
// when it is well.
func TestExportFails(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := writeList(t, t.TempDir())
	r := start(t, dir, `feeds:
  - {name: ours, type: list, path: ours.txt}
exports:
  - {format: plain, path: gone/all.txt}
  - {format: plain, path: well.txt}
`)
	r.awaitLine(`export id=all\.txt status=error indicators=0 msg=".*no such file or directory; \S+/gone/all\.txt stays as it is"`)
	r.awaitFile("well.txt", ours())
	r.wantDegraded("gone/all.txt stays as it is")
	r.awaitMetric(series("export_failures_total", r.path("gone/all.txt")), 2)
	if err := os.Mkdir(r.path("gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.awaitFile("gone/all.txt", ours())
	r.awaitLine(`export id=all\.txt status=ok indicators=1 `)
	r.wantHealthy()
	r.stop()
	if n := strings.Count(r.read("alerts.log"), "export id=all.txt status=error"); n != 1 {
		t.Errorf("%d lines say that the export fails, want 1", n)
	}
}

// TestExportKeptWithoutFeeds: a file of before the start is worth more than an
// empty one, as long as no feed can be read.
func TestExportKeptWithoutFeeds(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	write(t, dir, "other.txt", "192.0.2.1\n")
	write(t, dir, "all.txt", "198.51.100.250\n")
	r := start(t, dir, `feeds:
  - {name: ours, type: list, path: ours.txt}
  - {name: other, type: list, path: other.txt}
exports:
  - {format: plain, path: all.txt, feeds: [ours]}
`)
	r.awaitLine(`export id=all\.txt status=error .*none of its sources could be read; \S+/all\.txt stays as it is`)
	if got := r.read("all.txt"); got != "198.51.100.250\n" {
		t.Errorf("the file was overwritten with %q", got)
	}
	r.write("ours.txt", ours())
	r.awaitFile("all.txt", ours())
}

// TestReloadCommandFails: a command that hangs is killed with all that it
// started; one that fails is run again. No other export waits for it. The command
// hangs once: every failure doubles the wait for the next run, and a test that is
// slow must not make it longer.
func TestReloadCommandFails(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := writeList(t, t.TempDir())
	write(t, dir, "reload", `cd `+dir+`
[ -e hung ] || { echo going to hang; sleep 1000 & echo $! >child; : >hung; wait; }
[ -e fixed ] || { echo no such zone >&2; exit 3; }
echo told >told
`)
	r := start(t, dir, `feeds:
  - {name: ours, type: list, path: ours.txt}
exports:
  - {format: plain, path: hung.txt, timeout: 10s, reload: [sh, `+dir+`/reload, a-secret]}
  - {format: plain, path: well.txt, every: 1s}
`)
	r.await("the command", func() bool { return strings.HasSuffix(r.read("child"), "\n") })
	r.write("ours.txt", ours("2"))
	r.awaitFile("well.txt", ours("2"))
	r.awaitLine(`export id=hung\.txt status=error indicators=0 msg="\S+/hung\.txt is written but not in use, ` +
		`the reload command failed: sh: killed because it took longer than 10s: going to hang"`)
	child, err := strconv.Atoi(strings.TrimSpace(r.read("child")))
	if err != nil {
		t.Fatal(err)
	}
	r.await("the end of what it started", func() bool { return !runs(child) })

	r.awaitHealth("the reload command failed: sh: exit status 3: no such zone")
	r.write("fixed", "")
	r.awaitFile("told", "told\n")
	r.awaitLine(`export id=hung\.txt status=ok indicators=1 `)
	r.wantHealthy()
	r.awaitFile("hung.txt", ours()) // there is a newer set, but five minutes have not passed
	if strings.Contains(r.read("alerts.log"), "a-secret") {
		t.Error("an argument of the command is told")
	}
}

// TestStopWhileReloading does not wait for a command that hangs.
func TestStopWhileReloading(t *testing.T) {
	t.Parallel()
	dir := writeList(t, t.TempDir())
	write(t, dir, "reload", "echo $$ > "+dir+"/pid; exec sleep 1000\n")
	r := start(t, dir, `feeds:
  - {name: ours, type: list, path: ours.txt}
exports:
  - {format: plain, path: all.txt, timeout: 1h, reload: [sh, `+dir+`/reload]}
`)
	r.await("the command", func() bool { return strings.HasSuffix(r.read("pid"), "\n") })
	r.stop()
	pid, err := strconv.Atoi(strings.TrimSpace(r.read("pid")))
	if err != nil {
		t.Fatal(err)
	}
	if runs(pid) {
		t.Error("the command still runs")
	}
}

// TestExportsConfigured takes over which files are kept, and leaves alone those
// that stay as they are.
func TestExportsConfigured(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := writeList(t, t.TempDir())
	write(t, dir, "more.txt", "198.51.100.200\n")
	write(t, dir, "reload", "echo told >> "+dir+"/told\n")
	r := start(t, dir, `feeds:
  - {name: ours, type: list, path: ours.txt}
  - {name: more, type: list, path: more.txt}
exports:
  - {format: plain, path: stays.txt, feeds: [ours], reload: [sh, `+dir+`/reload]}
  - {format: plain, path: goes.txt, feeds: [more], every: 1s}
  - {format: plain, path: turns.txt, feeds: [ours]}
`)
	r.awaitFile("told", "told\n")
	r.awaitFile("turns.txt", ours())
	r.awaitFile("goes.txt", "198.51.100.200\n")

	r.edit("  - {format: plain, path: goes.txt, feeds: [more], every: 1s}\n", "  - {format: plain, path: new.txt}\n")
	r.edit("  - {name: more, type: list, path: more.txt}\n", "")
	r.edit("path: turns.txt, feeds: [ours]", "path: turns.txt, feeds: [ours], max: 1, format: wrong")
	r.awaitLine(`agent status=error .*exports\[2\]\.format`)
	r.edit(", max: 1, format: wrong", ", min_score: 99")
	r.awaitFile("new.txt", ours())
	r.awaitFile("turns.txt", "")
	r.awaitLine(`agent status=reloaded `)
	r.write("ours.txt", ours("2"))
	r.awaitLine(`feed id=ours status=ok indicators=2 `)
	r.stop()
	if got := r.read("told"); got != "told\n" {
		t.Errorf("the command of an export that stayed as it is ran again: %q", got)
	}
	if got := r.read("goes.txt"); got != "198.51.100.200\n" {
		t.Errorf("a file that is not kept any more has %q", got)
	}
	if line := r.findLine("alerts.log", `export .* status=error .*`); line != nil {
		t.Errorf("a reload makes an export fail: %s", line[0])
	}
}

// TestExportFormats: the configuration knows the formats that there are.
func TestExportFormats(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		if _, err := config.Parse("flowhound.yaml", []byte(oneFeed+"exports: [{format: "+format+", path: /b}]\n")); err != nil {
			t.Error(err)
		}
	}
	_, err := config.Parse("flowhound.yaml", []byte("exports: [{format: x-, path: /b}]\n"))
	if err == nil || !strings.Contains(err.Error(), "is not one of "+strings.Join(export.Formats(), ", ")) {
		t.Errorf("the configuration knows other formats than %v: %v", export.Formats(), err)
	}
}

func series(name, path string) string {
	return "flowhound_" + name + `{export="` + path + `"}`
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read returns a file's content, "" while there is none.
func (r *running) read(name string) string {
	b, _ := os.ReadFile(r.path(name))
	return string(b)
}

// awaitFile waits for a file's content, but for its comments.
func (r *running) awaitFile(name, want string) {
	r.t.Helper()
	r.await(name+" to hold "+strconv.Quote(want), func() bool {
		b, err := os.ReadFile(r.path(name))
		return err == nil && withoutComments(string(b)) == want
	})
}

func withoutComments(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// awaitHealth waits for /healthz to name a problem.
func (r *running) awaitHealth(problem string) {
	r.t.Helper()
	r.await(problem, func() bool {
		status, h := r.health()
		return status == http.StatusServiceUnavailable && strings.Contains(strings.Join(h.Problems, "\n"), problem)
	})
}

// identity tells one file from another one of the same name.
func identity(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// runs reports whether there is a process that is not just waiting to be buried.
func runs(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// TestExportKinds: the configuration and the export agree on what a format holds.
func TestExportKinds(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		for _, kind := range []export.Kind{export.Address, export.Prefix, export.Domain, export.URL} {
			o := export.Options{Format: format, Filter: export.Filter{Kinds: []export.Kind{kind}}}
			wrong := o.Check()
			_, err := config.Parse("flowhound.yaml", []byte(oneFeed+"exports: [{format: "+format+", path: /b, kinds: ["+kind.String()+"]}]\n"))
			if (wrong == nil) != (err == nil) {
				t.Errorf("%s of %s: the export says %v, the configuration %v", kind, format, wrong, err)
			}
		}
	}
}

const oneFeed = "feeds: [{name: a, type: list, path: /a}]\n"

package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// What the service could not open or write is named, with a command that fixes it.
func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root gives folders away")
	}
	const uid = 54321
	dir := t.TempDir()
	logs := filepath.Join(dir, "log")
	f := Folders{filepath.Join(dir, "data"), filepath.Join(logs, "alerts.log"), filepath.Join(dir, "run")}
	for _, d := range []string{f.Data, logs, f.Run} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(d, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want, fix string) {
		t.Helper()
		l := ExamineOwners(f)
		if len(l) != 1 || !strings.Contains(l[0].What, want) || l[0].Fix != fix || (l[0].Level == finding.OK) != (fix == "") {
			t.Errorf("%+v, want %s", l, want)
		}
	}
	is("the agent's folders belong to 54321", "")
	lock := filepath.Join(f.Data, "lock")
	write(t, lock, "")
	is(lock+" belongs to root, so flowhound, which runs as 54321, cannot open it", "sudo chown -R 54321:54321 "+f.Data)
	if err := os.Chown(lock, uid, uid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(logs, 0, 0); err != nil {
		t.Fatal(err)
	}
	is("the alert log's folder "+logs+" belongs to root", "sudo chown -R 54321:54321 "+logs)
	if err := os.Chown(logs, uid, uid); err != nil {
		t.Fatal(err)
	}
	write(t, f.Log+".1", "")
	is(f.Log+".1 belongs to root", "sudo chown -R 54321:54321 "+logs)
	if err := os.Remove(f.Log + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.Run, 0o707); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	is("everyone on this host may change run_dir", "sudo chmod o-w "+f.Run)
	if err := os.RemoveAll(f.Run); err != nil {
		t.Fatal(err)
	}
	is("the agent's folders belong to 54321", "") // before the run directory exists
	f.Data += "none"
	if l := ExamineOwners(f); len(l) > 0 {
		t.Error(l)
	}
}

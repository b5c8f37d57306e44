package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForeign(t *testing.T) {
	dir := t.TempDir()
	if err := Foreign(dir); err != nil {
		t.Error(err)
	}
	if err := Foreign(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root gives folders away")
	}
	for uid, name := range map[int]string{1: "daemon", 54321: "54321"} {
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
		if err := ForeignAgent([][2]string{{"data_dir", t.TempDir()}, {"log.path", dir}}); err == nil || !strings.Contains(err.Error(), "log.path "+dir+" belongs to "+name) {
			t.Errorf("an agent of root's in a folder of %s: %v", name, err)
		}
		if err := Foreign(dir); err == nil || !strings.Contains(err.Error(), "sudo -u "+name) {
			t.Errorf("root in a folder of %s: %v", name, err)
		}
	}
}

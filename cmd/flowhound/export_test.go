package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flowhound runs the program's command line and returns what a shell would see.
func flowhound(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		status = exit.code
	case err != nil:
		status = exitFailed
	}
	if err != nil {
		errs.WriteString(err.Error())
	}
	return out.String(), errs.String(), status
}

func TestExport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "bad.txt")
	if err := os.WriteFile(list, []byte("198.51.100.23\n203.0.113.0/24\nbad.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, said, status := flowhound(t, "export", "plain", "--blacklist", list)
	if out != "198.51.100.23\n203.0.113.0/24\nbad.example\n" || said != "written: 3 indicators\n" || status != exitFine {
		t.Errorf("status %d, %q\n%s", status, said, out)
	}
	out, said, status = flowhound(t, "export", "ossec", "--blacklist", list, "--kind", "address,domain", "--max", "1", "--min-score", "1")
	if !strings.HasPrefix(out, "198.51.100.23:") || strings.Count(out, "\n") != 1 || status != exitFine {
		t.Errorf("status %d, %q\n%s", status, said, out)
	}

	file := filepath.Join(dir, "bad.nft")
	for _, want := range []string{"written: 2 indicators\n", "unchanged: 2 indicators\n"} {
		out, said, status := flowhound(t, "export", "nftables", "--blacklist", list, "-o", file)
		if out != "" || said != want || status != exitFine {
			t.Errorf("status %d, stdout %q, stderr %q, want %q", status, out, said, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte("\t198.51.100.23,\n")) {
		t.Errorf("%v\n%s", err, text)
	}
	if _, said, status := flowhound(t, "export", "plain", "--blacklist", list, "-o", filepath.Join(dir, "none", "x")); status != exitFailed {
		t.Errorf("a folder that is not there: status %d, %q", status, said)
	}
}

func TestExportRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "bad.txt")
	if err := os.WriteFile(list, []byte("198.51.100.23\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                         "name one format: rpz, silk",
		"plain zeek":               "name one format: rpz, silk",
		"csv":                      "one of rpz silk zeek",
		"plain --zone rpz.example": "for rpz",
		"zeek --name x":            "for nftables and ipset",
		"rpz --action block":       "unknown action",
		"plain --category c3":      `unknown category "c3"`,
		"silk --kind url":          "cannot contain indicators of kind url",
		"plain --kind ip":          `unknown kind "ip"`,
		"plain --min-score 101":    "between 0 and 100",
		"plain --feed otx":         `no feed "otx"`,
		"plain --max many":         "--help",
	} {
		line := append([]string{"export", "--blacklist", list}, strings.Fields(args)...)
		out, said, status := flowhound(t, line...)
		if status != exitUsage || !strings.Contains(said, want) || out != "" {
			t.Errorf("export %s: status %d, %q, stdout %q", args, status, said, out)
		}
	}
}

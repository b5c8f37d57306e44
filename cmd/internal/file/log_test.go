package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const kind = "flowhound-test 1"

// open opens a log and returns the records that it holds.
func open(t *testing.T, path string) (*Log, Found, []string) {
	t.Helper()
	var got []string
	l, found, err := OpenLog(path, kind, func(b []byte) error {
		got = append(got, string(b))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, found, got
}

func fill(t *testing.T, l *Log, n int) (want []string) {
	t.Helper()
	for i := range n {
		want = append(want, fmt.Sprintf("record %d", i))
		if err := l.Append([]byte(want[i])); err != nil {
			t.Fatal(err)
		}
	}
	return want
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, found, _ := open(t, path)
	if found != (Found{}) {
		t.Errorf("a new log holds %+v", found)
	}
	want := fill(t, l, 100)
	want = append(want, "", strings.Repeat("x", MaxRecord))
	for _, r := range want[100:] {
		if err := l.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append(make([]byte, MaxRecord+1)); err == nil {
		t.Error("a record over the limit was taken")
	}
	if err := errors.Join(l.Sync(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l, found, got := open(t, path)
	if !slices.Equal(got, want) || found.Records != len(want) || found.Lost != 0 {
		t.Errorf("%d records of %d: %+v", len(got), len(want), found)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != l.Size() {
		t.Errorf("Size says %d of %d", l.Size(), info.Size())
	}
	if err := l.Reset(); err != nil {
		t.Fatal(err)
	}
	want = fill(t, l, 3)
	if _, _, got := open(t, path); !slices.Equal(got, want) {
		t.Errorf("after Reset: %q", got)
	}
}

// TestLogTornAnywhere cuts a log at each of its bytes, as a kill or a full disk
// does, and goes on writing.
func TestLogTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := open(t, filepath.Join(dir, "whole"))
	want := fill(t, l, 4)
	whole, err := os.ReadFile(filepath.Join(dir, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	each := (len(whole) - len(kind) - 1) / 4
	for cut := range whole {
		path := filepath.Join(dir, "torn")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		n := max(0, cut-len(kind)-1) / each
		l, found, got := open(t, path)
		if !slices.Equal(got, want[:n]) || found.Aside != "" || found.Lost != 0 || found.Torn != int64(cut)-l.Size() && found.Torn != int64(cut) {
			t.Fatalf("cut at %d: %q, %+v", cut, got, found)
		}
		if err := errors.Join(l.Append([]byte("more")), l.Close()); err != nil {
			t.Fatal(err)
		}
		if _, found, got := open(t, path); !slices.Equal(got, append(slices.Clone(want[:n]), "more")) || found.Lost != 0 {
			t.Fatalf("cut at %d, then written: %q, %+v", cut, got, found)
		}
	}
}

// TestLogDamaged flips each byte: only the record that it stands in is lost, and none when
// it is one of a length.
func TestLogDamaged(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := open(t, filepath.Join(dir, "whole"))
	want := fill(t, l, 4)
	whole, err := os.ReadFile(filepath.Join(dir, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	first := len(kind) + 1
	each := (len(whole) - first) / 4
	for at := first; at < len(whole); at++ {
		path := filepath.Join(dir, "damaged")
		b := bytes.Clone(whole)
		b[at] ^= 0x55
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, found, got := open(t, path)
		bad := (at - first) / each
		if in := (at - first) % each; in >= 8 && in < recordHeader {
			if !slices.Equal(got, want) || found.Lost+found.Torn != 0 || found.Repaired != 1 {
				t.Fatalf("byte %d, of a length: %q, %+v", at, got, found)
			}
			continue
		}
		if !slices.Equal(got, slices.Delete(slices.Clone(want), bad, bad+1)) || found.Lost != int64(each) {
			t.Fatalf("byte %d: %q, %+v", at, got, found)
		}
	}
}

func TestLogOfAnotherKind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("flowhound-test 2\nof a later version"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, found, got := open(t, path)
	if len(got) != 0 || found.Lost != 35 || found.Aside == "" || content(t, found.Aside) != "flowhound-test 2\nof a later version" {
		t.Errorf("%q, %+v", got, found)
	}
	want := fill(t, l, 2)
	if _, _, got := open(t, path); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestLogOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _, _ := open(t, path)
	want := fill(t, l, 2)
	whole := l.f
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l.f = readOnly // neither written nor cut
	if err := l.Append([]byte("lost")); err == nil {
		t.Fatal("written to a file that cannot be")
	}
	_ = readOnly.Close()
	if _, err := whole.WriteString("half a rec"); err != nil { // what the write left
		t.Fatal(err)
	}
	l.f = whole
	if err := l.Append([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if _, found, got := open(t, path); !slices.Equal(got, append(want, "more")) || found.Lost != 0 {
		t.Errorf("%q, %+v", got, found)
	}
}

func TestLogRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _, _ := open(t, path)
	fill(t, l, 100)
	rewrite := func(records ...string) error {
		return l.Rewrite(func(add func([]byte) error) error {
			for _, r := range records {
				if err := add([]byte(r)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := rewrite("one", "two"); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("three")); err != nil {
		t.Fatal(err)
	}
	if err := rewrite("lost", strings.Repeat("x", MaxRecord+1)); err == nil {
		t.Error("a record over the limit was taken")
	}
	if err := l.Append([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != l.Size() {
		t.Errorf("Size says %d of %d", l.Size(), info.Size())
	}
	if _, found, got := open(t, path); !slices.Equal(got, []string{"one", "two", "three", "four"}) || found.Lost != 0 {
		t.Errorf("%q, %+v", got, found)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("files %v, error %v", files, err)
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(kind + "\n"))
	f.Add([]byte(kind + "\n\xf1FHL\x00\x00\x00\x00\x01\x00\x00\x00x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, _, got := open(t, path)
		if err := l.Append([]byte("more")); err != nil {
			t.Fatal(err)
		}
		if _, found, again := open(t, path); !slices.Equal(again, append(got, "more")) || found.Aside != "" {
			t.Errorf("%q, then %q, %+v", got, again, found)
		}
	})
}

func BenchmarkLogAppend(b *testing.B) {
	l, _, err := OpenLog(filepath.Join(b.TempDir(), "log"), kind, nil)
	if err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 200)
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		if l.Size() > 64<<20 {
			_ = l.Reset()
		}
		if err := l.Append(record); err != nil {
			b.Fatal(err)
		}
	}
}

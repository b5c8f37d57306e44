package fetch

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// archive makes a zip file of names and texts in turn.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, files[i+1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpack(b []byte, member string, limit int64) (string, error) {
	r, err := Unpack(bytes.NewReader(b), int64(len(b)), member, limit)
	if err != nil {
		return "", err
	}
	defer r.Close()
	out, err := io.ReadAll(r)
	return string(out), err
}

func TestUnpack(t *testing.T) {
	const text = "192.0.2.1\n"
	two := archive(t, "a/ip.txt", text, "README", "read me")
	packed := zipped(text)
	long := strings.Repeat(text, 1<<16)
	for _, tt := range []struct {
		name   string
		in     []byte
		member string
		want   string
		err    error
	}{
		{"plain", []byte(text), "", text, nil},
		{"empty", nil, "", "", nil},
		{"short", []byte("P"), "", "P", nil},
		{"gzip", packed, "", text, nil},
		{"gzip of two parts", append(zipped(text), packed...), "", text + text, nil},
		{"zip", archive(t, "dir/", "", "dir/ip.txt", text, "__MACOSX/dir/ip.txt", "x"), "", text, nil},
		{"zip, by name", two, "ip.txt", text, nil},
		{"zip, by path", two, "a/ip.txt", text, nil},
		{"zip, which", two, "", "", ErrArchive},
		{"zip, no such", two, "b.txt", "", ErrArchive},
		{"zip, empty", archive(t), "", "", ErrArchive},
		{"member of no zip", []byte(text), "ip.txt", "", ErrArchive},
		{"gzip, cut", packed[:len(packed)-4], "", text, ErrTruncated},
		{"gzip, damaged", bytes.Replace(packed, packed[10:14], []byte{0xff, 0xff, 0xff, 0xff}, 1), "", "", ErrArchive},
		{"zip, cut", two[:len(two)-30], "", "", ErrTruncated},
		{"gzip bomb", zipped(long), "", long[:1<<16], ErrTooLarge},
		{"zip bomb", archive(t, "a", long), "", long[:1<<16], ErrTooLarge},
		{"plain, long", []byte(long), "", long[:1<<16], ErrTooLarge},
	} {
		got, err := unpack(tt.in, tt.member, 1<<16)
		if got != tt.want || !errors.Is(err, tt.err) || tt.err == nil && err != nil {
			t.Errorf("%s: got %d bytes, %v; want %d bytes, %v", tt.name, len(got), err, len(tt.want), tt.err)
		}
	}
}

// TestUnpackManyFiles has a table of contents that would fill the memory.
func TestUnpackManyFiles(t *testing.T) {
	var files []string
	for range 20_000 {
		files = append(files, strings.Repeat("n", 20), "")
	}
	if _, err := unpack(archive(t, files...), "", 1<<16); !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("192.0.2.1\n"))
	f.Add(zipped("192.0.2.1\n"))
	f.Add(archive(f, "a/ip.txt", "192.0.2.1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := unpack(b, "", 1<<16)
		if len(got) > 1<<16 {
			t.Errorf("%d bytes", len(got))
		}
		for _, known := range []error{ErrTooLarge, ErrTruncated, ErrArchive} {
			if err == nil || errors.Is(err, known) {
				return
			}
		}
		t.Errorf("an error without a name: %v", err)
	})
}

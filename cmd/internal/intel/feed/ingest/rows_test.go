package ingest

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		record string
		comma  byte
		want   []string
		open   bool
	}{
		{`a,b,,`, ',', []string{"a", "b", "", ""}, false},
		{`"a" , "b,c","d""e"`, ',', []string{"a", "b,c", `d"e`}, false},
		{`192.0.2.1,say "hi"`, ',', []string{"192.0.2.1", `say "hi"`}, false},
		{`192.0.2.1,5" disk,x`, ',', []string{"192.0.2.1", `5" disk`, "x"}, false},
		{`192.0.2.2,"a \"b\" c",x`, ',', []string{"192.0.2.2", `a "b" c`, "x"}, false},
		{`"C:\dir\",x`, ',', []string{`C:\dir\`, "x"}, false},
		{`"a"b,c`, ',', []string{"ab", "c"}, false},
		{`192.0.2.1,"one`, ',', []string{"192.0.2.1", "one"}, true},
		{"a\t\"b\"\t", '\t', []string{"a", "b", ""}, false},
		{`64500  |  X  |  192.0.2.1`, '|', []string{"64500", "X", "192.0.2.1"}, false},
		{``, ',', []string{""}, false},
	} {
		got, open := Split(tt.record, tt.comma, nil)
		if !slices.Equal(got, tt.want) || open != tt.open {
			t.Errorf("Split(%s) = %q, %v, want %q", tt.record, got, open, tt.want)
		}
	}
}

// What is CSV by the book is read by the book.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{`a,b`, `"a","b""c"`, `a, "b`, `"a \"b\""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, record string) {
		got, open := Split(record, ',', nil)
		if len(got) == 0 || len(got) > 1+strings.Count(record, ",") {
			t.Fatalf("%q: %q", record, got)
		}
		if strings.ContainsAny(record, "\\\r\n\t \v\f\u0085\u00a0") || !isPlainASCII(record) {
			return
		}
		if want, err := csv.NewReader(strings.NewReader(record)).Read(); err == nil && (open || !slices.Equal(got, want)) {
			t.Fatalf("%q: %q, want %q", record, got, want)
		}
	})
}

func isPlainASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' })
}

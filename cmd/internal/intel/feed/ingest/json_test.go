package ingest

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestShallow(t *testing.T) {
	deep := func(n int, inner string) string {
		return strings.Repeat(`[{"a":`, n/2) + inner + strings.Repeat("}]", n/2)
	}
	for _, tt := range []struct{ in, want string }{
		{`{"a":["]]]",{"b\"[":1}]}`, `{"a":["]]]",{"b\"[":1}]}`},
		{deep(maxDepth, `"x"`), deep(maxDepth, `"x"`)},
		{deep(maxDepth, `[1,"]",{"a":2}],"b":3`), deep(maxDepth, `0,"b":3`)},
		{deep(10*maxDepth, `1`), deep(maxDepth, `0`)},
		{`[` + strings.Repeat("[", 300_000) + strings.Repeat("]", 300_000) + `,1]`, strings.Repeat("[", maxDepth) + "0" + strings.Repeat("]", maxDepth-1) + ",1]"},
		{"]]}}[1]", "]]}}[1]"},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)), iotest.DataErrReader(strings.NewReader(tt.in))} {
			got, err := io.ReadAll(&shallow{r: r})
			if err != nil || string(got) != tt.want {
				t.Errorf("%.60s... of %d bytes became %.60s... of %d, want %d (%v)", tt.in, len(tt.in), got, len(got), len(tt.want), err)
			}
		}
	}
}

// What is wanted is found whatever lies around it, and what is deep in its place
// is of a wrong shape and nothing else.
func TestJSONIsNotHeldUpByDepth(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	j := NewJSON(bufio.NewReader(strings.NewReader(`{"x":` + deep + `,"s":` + deep + `,"n":7,"a":[` + deep + `,"y"]}`)))
	var n int
	var s string
	var a []string
	_, err := j.Object(func(key string) error {
		switch key {
		case "n":
			_, err := j.Decode(&n)
			return err
		case "s":
			return j.Text(&s)
		case "a":
			_, err := j.Array(func() error {
				var v string
				ok, err := j.Decode(&v)
				if ok {
					a = append(a, v)
				}
				return err
			})
			return err
		}
		return j.Skip()
	})
	if err != nil || n != 7 || s != "" || len(a) != 1 || a[0] != "y" || j.End() != nil {
		t.Errorf("n %d, s %q, a %q, %v", n, s, a, err)
	}
}

func TestJSONEnds(t *testing.T) {
	for text, want := range map[string]error{
		`{"a":`: io.ErrUnexpectedEOF, `{"a":"`: io.ErrUnexpectedEOF, `[`: io.ErrUnexpectedEOF, `{"a":["` + strings.Repeat("x", 12<<20): ErrValueTooLong,
	} {
		j := NewJSON(bufio.NewReader(strings.NewReader(text)))
		if err := j.Explain(j.Skip()); !errors.Is(err, want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	j := NewJSON(bufio.NewReader(strings.NewReader(`{} x`)))
	if err := j.Skip(); err != nil || j.End() == nil {
		t.Errorf("%v, and what follows is not seen", err)
	}
}

func TestScalar(t *testing.T) {
	for in, want := range map[string]Scalar{`"x\u001b"`: "x\x1b", `7.50`: "7.50", `true`: "true", `null`: "", `[1]`: "", `{"a":1}`: ""} {
		var s Scalar
		if err := json.Unmarshal([]byte(in), &s); err != nil || s != want {
			t.Errorf("%s is %q, %v", in, s, err)
		}
	}
}

// Whatever was JSON stays JSON.
func FuzzShallow(f *testing.F) {
	f.Add(`{"a":[1,"]",{"b":"\""}]}`, 3)
	f.Fuzz(func(t *testing.T, text string, wraps int) {
		if !json.Valid([]byte(text)) || wraps < 0 || wraps > 3000 {
			return
		}
		text = strings.Repeat("[", wraps) + text + strings.Repeat("]", wraps)
		got, err := io.ReadAll(&shallow{r: iotest.HalfReader(strings.NewReader(text))})
		if err != nil || !json.Valid(got) {
			t.Fatalf("%.200q became %.200q (%v)", text, got, err)
		}
		if json.Valid([]byte(text)) && wraps+strings.Count(text, "[")+strings.Count(text, "{") < maxDepth && string(got) != text {
			t.Fatalf("%.200q became %.200q", text, got)
		}
	})
}

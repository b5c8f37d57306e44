package finding

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestTrouble(t *testing.T) {
	t.Parallel()
	var said []string
	var logged bytes.Buffer
	x := Trouble{
		Fails: "the table cannot be saved", Costs: "a crash would lose it", Again: "the table is saved again",
		Report: func(status, msg string) { said = append(said, status+" "+msg) }, Log: slog.New(slog.NewTextHandler(&logged, nil)),
	}
	full, readOnly := errors.New("full"), errors.New("read-only")
	for i, err := range []error{nil, full, readOnly, nil, nil, full} {
		x.Note(err)
		var l List
		x.Find(l.Warn, "df -h")
		want := List(nil)
		if err != nil {
			want = List{{Level: Warn, What: fmt.Sprintf("the table cannot be saved: %s; a crash would lose it", err), Fix: "df -h"}}
		}
		if !slices.Equal(l, want) || (x.Text() == "") != (err == nil) {
			t.Errorf("step %d: %v, %q", i, l, x.Text())
		}
	}
	want := []string{
		"error the table cannot be saved: full; a crash would lose it", "alive the table is saved again",
		"error the table cannot be saved: full; a crash would lose it",
	}
	if !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
	if n := strings.Count(logged.String(), `msg="the table cannot be saved" err=full`); n != 2 || !strings.Contains(logged.String(), "level=INFO msg=\"the table is saved again\"") {
		t.Errorf("logged %s", &logged)
	}
	var silent Trouble
	silent.Note(full)
	silent.Note(nil)
}

// An error that says all is passed on as it is.
func TestTroubleSaysAll(t *testing.T) {
	t.Parallel()
	var said, logged bytes.Buffer
	x := Trouble{Report: func(status, msg string) { fmt.Fprint(&said, status, " ", msg) }, Log: slog.New(slog.NewTextHandler(&logged, nil))}
	x.Note(errors.New("the disk is full; make room"))
	var l List
	x.Find(l.Bad, "")
	if !slices.Equal(l, List{{Level: Bad, What: "the disk is full; make room"}}) || said.String() != "error the disk is full; make room" {
		t.Errorf("%v, said %q", l, &said)
	}
	if s := logged.String(); !strings.HasSuffix(s, "level=ERROR msg=\"the disk is full; make room\"\n") {
		t.Errorf("logged %s", s)
	}
}

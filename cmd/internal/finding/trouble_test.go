package finding

import (
	"errors"
	"testing"
)

func TestTrouble(t *testing.T) {
	t.Parallel()
	var x Trouble
	for i, step := range []struct {
		err          error
		began, ended bool
	}{
		{nil, false, false}, {errors.New("full"), true, false}, {errors.New("read-only"), false, false}, {nil, false, true}, {nil, false, false},
		{errors.New("full"), true, false},
	} {
		began, ended := x.Note(step.err)
		if began != step.began || ended != step.ended || (x.Text() == "") != (step.err == nil) {
			t.Errorf("step %d: %v, %v, %q", i, began, ended, x.Text())
		}
	}
}

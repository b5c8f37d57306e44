package finding

import (
	"slices"
	"testing"
)

// TestOf: what a part finds bears its name, and what stood there before does not.
func TestOf(t *testing.T) {
	var l List
	l.OK("the file is valid")
	l.Of("log", func(l *List) { l.Bad("df -h", "the disk is full") })
	l.Of("feeds", func(*List) {})
	l.Warn("", "late")
	want := List{
		{Level: OK, What: "the file is valid"},
		{Level: Bad, What: "the disk is full", Fix: "df -h", Part: "log"},
		{Level: Warn, What: "late"},
	}
	if !slices.Equal(l, want) || l.Worst() != Bad {
		t.Errorf("%+v, worst %s", l, l.Worst())
	}
}

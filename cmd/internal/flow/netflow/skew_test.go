package netflow

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestSkew(t *testing.T) {
	second := int64(time.Second)
	rng := rand.New(rand.NewPCG(1, 1))
	steady := func(s *skew, late int64, n int) (slow int64) {
		for range n {
			slow = s.see(late + rng.Int64N(second)) // headers have whole seconds
		}
		return slow
	}
	for _, tt := range []struct {
		name       string
		late       int64
		n          int
		from, most int64
	}{
		{"right", 0, 100, 0, 0},
		{"a little late", 4 * second, 100, 0, 0},
		{"40 s slow", 40 * second, 100, 39 * second, 42 * second},
		{"an hour fast", -3600 * second, 100, -3601 * second, -3598 * second},
		{"too few to tell", 40 * second, skewSteady - 1, 0, 0},
		{"not set at all", 50 * 365 * 24 * 3600 * second, 100, 0, 0},
	} {
		if slow := steady(new(skew), tt.late, tt.n); slow < tt.from || slow > tt.most {
			t.Errorf("%s: %v", tt.name, time.Duration(slow))
		}
	}
	// Datagrams that take all kinds of ways tell nothing.
	var s skew
	for range 1000 {
		if slow := s.see(rng.Int64N(60 * second)); slow != 0 {
			t.Fatalf("delays taken for a clock: %v", time.Duration(slow))
		}
	}
	// A clock that was set is right at once it is steady; one odd datagram changes nothing.
	s = skew{}
	steady(&s, 40*second, 50)
	if slow := s.see(90 * second); slow < 39*second || slow > 42*second {
		t.Errorf("one odd datagram: %v", time.Duration(slow))
	}
	if slow := steady(&s, 0, 50); slow != 0 {
		t.Errorf("set right: %v", time.Duration(slow))
	}
}

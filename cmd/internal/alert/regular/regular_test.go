package regular

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

const hour, day = 3600.0, 86400.0

// exported feeds a state the records that a router sends of connections: both
// directions, cut by an active timeout of 60 s, of which some are lost. It returns the
// best score from the tenth contact on.
type exported struct {
	rng  *rand.Rand
	loss float64
	s    State
	best float64
}

func (x *exported) connection(at, lasts float64, port uint16, tcp bool, bytes uint64) {
	for half := range 2 {
		for from := 0.0; from == 0 || from < lasts; from += 60 {
			if x.rng.Float64() < x.loss {
				continue
			}
			to := math.Min(from+60, lasts)
			before := x.s.Contacts
			ns := func(t float64) int64 { return Epoch*1e9 + int64((day+at+t+0.04*float64(half))*1e9) }
			x.s.Add(&Record{Start: ns(from), End: ns(to), Bytes: bytes, Exporter: 1, Port: port, TCP: tcp, SYN: tcp && from == 0})
			if x.s.Contacts != before && x.s.Contacts >= MinContacts && x.s.Contacts < 400 {
				v := x.s.Verdict()
				x.best = math.Max(x.best, v.Score)
			}
		}
	}
}

func (x *exported) port() uint16               { return uint16(33000 + x.rng.IntN(28000)) }
func (x *exported) wait(mean float64) float64  { return x.rng.ExpFloat64() * mean }
func (x *exported) about(m, s float64) float64 { return m * math.Exp(s*x.rng.NormFloat64()) }

func newExported(seed uint64, loss float64) *exported {
	return &exported{rng: rand.New(rand.NewPCG(seed, 7)), loss: loss}
}

// TestBeaconsAreRegular: with jitter up to 50% and up to 40% of records lost, in three
// ways to keep time.
func TestBeaconsAreRegular(t *testing.T) {
	found, all := 0, 0
	for seed := range uint64(3) {
		for _, period := range []float64{60, 300, 900, 3600} {
			for _, jitter := range []float64{0, 0.1, 0.2, 0.3, 0.5} {
				for _, loss := range []float64{0, 0.2, 0.4} {
					for model := range 3 {
						x := newExported(seed*1000+uint64(all), loss)
						span := day
						if period > 900 {
							span = 3 * day
						}
						phase := x.rng.Float64() * period
						for i, at := 1.0, phase; at < span; i++ {
							x.connection(at, 0.3, x.port(), true, 700)
							switch model {
							case 0:
								at += period * (1 + jitter*(2*x.rng.Float64()-1))
							case 1:
								at += period * (1 - jitter*x.rng.Float64())
							default:
								at = phase + period*(i+jitter*(x.rng.Float64()-0.5))
							}
						}
						if all++; x.best >= At {
							found++
						}
					}
				}
			}
		}
	}
	t.Logf("%d of %d beacons are called regular", found, all)
	if float64(found) < 0.98*float64(all) {
		t.Errorf("%d of %d beacons are called regular", found, all)
	}
}

// TestPeopleAreNot: what has no clock is hardly ever called regular, and never like one.
func TestPeopleAreNot(t *testing.T) {
	kinds := map[string]func(x *exported){
		"browsing": func(x *exported) {
			for at := x.wait(hour); at < 2*day; at += x.wait(hour) {
				for page := at; page < at+600; page += x.about(25, 1.2) {
					x.connection(page, x.wait(3), x.port(), true, 20_000)
				}
			}
		},
		"telemetry": func(x *exported) {
			mean := math.Exp(math.Log(60) * (1 + x.rng.Float64()))
			for at := x.wait(mean); at < day; at += x.wait(mean) {
				x.connection(at, 0.1, x.port(), true, 3000)
			}
		},
		"resolver": func(x *exported) {
			for at := x.wait(120); at < day; at += x.about(40, 1.4) {
				x.connection(at, 0, x.port(), false, 200)
			}
		},
		"long connections": func(x *exported) {
			for at := x.wait(hour); at < 3*day; {
				lasts := hour + x.wait(6*hour)
				x.connection(at, lasts, x.port(), true, 9000)
				at += lasts + x.wait(hour)
			}
		},
		"back-off": func(x *exported) {
			for at := x.wait(2 * hour); at < 3*day; at += x.wait(4 * hour) {
				t := at
				for d := 2 + 3*x.rng.Float64(); d < 600; d *= 2 {
					x.connection(t, 0, x.port(), true, 60)
					t += d * (0.5 + x.rng.Float64())
				}
			}
		},
		"file sync": func(x *exported) {
			for at := x.wait(hour); at < day; at += x.about(1800, 1.3) {
				for range 2 + x.rng.IntN(15) {
					x.connection(at, x.wait(2), x.port(), true, uint64(x.about(5000, 1.5)))
					at += 8 + x.about(20, 0.9)
				}
			}
		},
	}
	wrong, all := 0, 0
	for name, run := range kinds {
		for seed := range uint64(60) {
			x := newExported(seed, 0.05*float64(seed%2))
			run(x)
			if all++; x.best >= At {
				wrong++
			}
			if x.best >= Clock {
				t.Errorf("%s, seed %d is called like a clock: %.2f", name, seed, x.best)
			}
		}
	}
	t.Logf("%d of %d irregular pairs are called regular", wrong, all)
	if wrong*100 > all {
		t.Errorf("%d of %d irregular pairs are called regular", wrong, all)
	}
}

func TestOneLongConnectionIsNoClock(t *testing.T) {
	x := newExported(1, 0)
	x.connection(0, 6*hour, 40_000, true, 5000)
	if v := x.s.Verdict(); v.Contacts != 1 || v.Regular() || v.Held < 6*hour-61 || v.Held > 6*hour+1 {
		t.Errorf("%+v", v)
	}
}

// Another exporter is heard when the first has been silent for an hour, and samples
// tell nothing.
func TestWhoFeedsTheClock(t *testing.T) {
	var s State
	at := int64(Epoch+1_000_000) * int64(time.Second)
	add := func(exporter uint32, after time.Duration, sampled bool) {
		s.Add(&Record{Start: at + int64(after), End: at + int64(after), Bytes: 10, Exporter: exporter, Port: 40_000, Sampled: sampled})
	}
	for i := range 20 {
		add(1, time.Duration(i)*10*time.Minute, false)
		add(2, time.Duration(i)*10*time.Minute+7*time.Second, false)
	}
	if v := s.Verdict(); v.Contacts != 20 || !v.Regular() || v.Score < Clock || math.Abs(v.Period-600) > 1 {
		t.Errorf("%+v", v)
	}
	add(2, 5*time.Hour, false)
	if s.By != 2 || s.Contacts != 21 {
		t.Errorf("%+v", s)
	}
	add(2, 6*time.Hour, true)
	if v := s.Verdict(); v.Score != 0 {
		t.Errorf("sampled: %+v", v)
	}
}

func TestSizeOfState(t *testing.T) {
	if n := unsafe.Sizeof(State{}); n != 112 {
		t.Errorf("%d bytes", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var s State
	b.ReportAllocs()
	at := int64(Epoch+1_000_000) * int64(time.Second)
	for i := 0; b.Loop(); i++ {
		t := at + int64(i/2)*int64(5*time.Minute)
		s.Add(&Record{Start: t, End: t, Bytes: 700, Exporter: 1, Port: uint16(33000 + i/2%1000), TCP: true, SYN: true})
	}
}

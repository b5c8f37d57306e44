package intel

import (
	"math"
	"time"
)

// Kept is how long an indicator that has expired is still kept, so that people
// can be told of it. It takes no part in matching and exports.
const Kept = 90 * 24 * time.Hour

const day = 24 * 3600 // seconds

// curve says how what is known of an indicator loses its worth while nobody sees
// it again. It is the polynomial model of MISP (Iklody et al., Decaying Indicators
// of Compromise, arXiv:1803.11052):
//
//	score = base * (1 - (age/lifetime)^(1/delta))
//
// A delta of 1 is a straight line; below 1 the score holds for long and falls at
// the end, above 1 it falls at once.
type curve struct {
	address, name uint32 // lifetime in seconds of what is on an address or network, and on a name; 0: for ever
	delta         float64
}

// curves follows how soon such addresses change hands: scanners are mostly other
// people's hosts that get cleaned or a new address, controllers are rented for
// months. A name outlives the addresses behind it. A policy is one's own decision
// and does not age.
var curves = [NumCategories]curve{
	C2:         {120 * day, 365 * day, 0.3},
	Malware:    {90 * day, 180 * day, 0.5},
	Botnet:     {45 * day, 180 * day, 0.5},
	Phishing:   {30 * day, 90 * day, 0.5},
	Scanner:    {14 * day, 30 * day, 1},
	Bruteforce: {14 * day, 30 * day, 1},
	Spam:       {14 * day, 60 * day, 1},
	DDoS:       {14 * day, 30 * day, 1},
	Anonymizer: {7 * day, 30 * day, 1},
	Other:      {90 * day, 180 * day, 0.5},
	Policy:     {},
}

// lifetime returns how long an indicator lives after it was last seen, in seconds.
func (c *curve) lifetime(named bool) int64 {
	if named {
		return int64(c.name)
	}
	return int64(c.address)
}

// worth is what is left of base after age seconds of lifetime, at least 1: an end
// is an end in time and not of rounding.
func (c *curve) worth(base uint8, age, lifetime int64) uint8 {
	if age <= 0 || lifetime <= 0 || base == 0 {
		return base
	}
	share := float64(age) / float64(lifetime)
	if c.delta != 1 {
		share = math.Pow(share, 1/c.delta)
	}
	return uint8(max(1, math.Round(float64(base)*(1-share))))
}

// aged is an indicator's standing at one time.
type aged struct {
	score    uint8 // 0 when it is over
	over     bool
	seen     int64 // Unix seconds of the sighting from which its age counts; 0: it is seen now
	lifetime int64 // seconds from seen to its end; 0: it does not decay
	ends     int64 // Unix seconds; 0: never
}

// age tells the standing of an indicator.
//
// It was last seen when its feed says (last). A feed that gives no such date sees
// all that it names whenever it is read: a list from which nobody removes an
// address still vouches for it. confirmed is when that was, 0 for now, as of a
// file that lies there; so a feed that can no longer be fetched ages too. When an
// indicator was first seen says nothing of its age.
//
// An expiry that the feed gives wins over the category's lifetime, and the score
// falls towards it from last; without that date it holds until then.
func age(c Category, named bool, base uint8, last, expires, confirmed, now int64) aged {
	curve := &curves[min(int(c), NumCategories-1)]
	a := aged{score: base, seen: last}
	if last == 0 {
		a.seen = confirmed
	}
	switch {
	case expires != 0:
		a.ends = expires
		if last != 0 {
			a.lifetime = max(expires-last, 0)
		}
	case a.seen != 0:
		if a.lifetime = curve.lifetime(named); a.lifetime != 0 {
			a.ends = a.seen + a.lifetime
		}
	}
	if a.ends != 0 && now >= a.ends {
		a.score, a.over = 0, true
		return a
	}
	a.score = curve.worth(base, now-a.seen, a.lifetime)
	return a
}

// Ends returns when i is over: its expiry, or when it has decayed to nothing; the
// zero time when it never is, or not as long as its feed names it.
func (i *Indicator) Ends() time.Time {
	if i.LastSeen.IsZero() && i.Expires.IsZero() { // as in nearly all lists
		return time.Time{}
	}
	return unpackTime(uint32(min(i.age(time.Time{}).ends, math.MaxUint32)))
}

func (i *Indicator) age(now time.Time) aged {
	return age(i.Category, !i.Prefix.IsValid(), i.Score, int64(packTime(i.LastSeen)), int64(packTime(i.Expires)), 0, now.Unix())
}

// standing is age for an indicator of the block.
func (b *Block) standing(f *fact, now int64) aged {
	confirmed := b.confirmed.Load()
	if f.last == 0 && f.expires == 0 && confirmed == 0 { // most of all lists
		return aged{score: f.score}
	}
	return age(b.notes[f.note].category, f.bits == 0, f.score, int64(f.last), int64(f.expires), confirmed, now)
}

// Confirm says that the feed named all of the block's indicators at t too: it was
// asked and nothing had changed. Until the first call the block is taken for one
// that is confirmed at all times. Safe for concurrent use.
func (b *Block) Confirm(t time.Time) { b.confirmed.Store(t.Unix()) }

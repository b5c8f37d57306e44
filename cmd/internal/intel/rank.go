package intel

import (
	"cmp"
	"slices"
	"strings"
)

// Confidence is the score that counts, 0-100: what all feeds say together, or the
// indicator's own where nothing was combined.
func (i *Indicator) Confidence() uint8 { return max(i.Combined, i.Score) }

// Rank combines what feeds say of the same prefix, domain or URL, and puts the
// indicators in order: highest Confidence, longest prefix or name, highest own
// Score, and what ties as it was, which is the order of the feeds.
//
// Independent feeds are wrong independently, so their doubts multiply: Combined is
// 1 - (1-a)(1-b)... of the best that each feed says. What a feed says several
// times, as OTX does in several pulses, counts once. An aggregate has it from the
// others and adds nothing: it counts only where it is more than they are together.
//
// Only categories that mean the same severities bear each other out: that an address
// scans makes it no more of a controller, and an anonymizer no more of a spammer.
func Rank(list []Indicator) { rank(list, func(i *Indicator) *Indicator { return i }) }

// rank is Rank for what holds an indicator.
func rank[T any](list []T, of func(*T) *Indicator) {
	if len(list) > 1 {
		slices.SortStableFunc(list, func(a, b T) int {
			x, y := of(&a), of(&b)
			return cmp.Or(cmp.Compare(y.Prefix.Bits(), x.Prefix.Bits()), strings.Compare(x.Domain, y.Domain), strings.Compare(x.URL, y.URL))
		})
	}
	var t tally
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && samePlace(of(&list[from]), of(&list[to])) {
			to++
		}
		if first := of(&list[from]); to == from+1 { // mostly, and it allocates nothing
			first.Combined = first.Score
			from = to
			continue
		}
		t.reset()
		for n := from; n < to; n++ {
			i := of(&list[n])
			t.add(i.Feed, i.Category, i.Score, i.Aggregate)
		}
		for ; from < to; from++ {
			i := of(&list[from])
			i.Combined = t.combined(i.Category)
		}
	}
	if len(list) > 1 {
		slices.SortStableFunc(list, func(a, b T) int { return Compare(of(&a), of(&b)) })
	}
}

// Compare orders indicators that were ranked, the better first.
func Compare(x, y *Indicator) int {
	return cmp.Or(cmp.Compare(y.Confidence(), x.Confidence()), cmp.Compare(y.Prefix.Bits(), x.Prefix.Bits()),
		cmp.Compare(len(y.Domain), len(x.Domain)), cmp.Compare(y.Score, x.Score))
}

func samePlace(x, y *Indicator) bool {
	return x.Prefix == y.Prefix && x.Domain == y.Domain && x.URL == y.URL
}

// kind groups the categories that bear each other out: the rows of the severity
// table, but that an anonymizer and a policy stand for themselves.
func kind(c Category) int {
	switch c {
	case C2, Malware, Botnet:
		return 0
	case Phishing:
		return 1
	case Scanner, Bruteforce, DDoS:
		return 2
	case Anonymizer:
		return 3
	case Policy:
		return 4
	}
	return 5
}

const numKinds = 6

// tally gathers what feeds say of one thing, by kind of category. It is used again
// after reset, so that it allocates only for more feeds than ever before.
type tally [numKinds]struct {
	feeds      []feedScore
	aggregates uint8 // the best of them
}

// feedScore is the best that a feed says.
type feedScore struct {
	feed  string
	score uint8
}

func (t *tally) reset() {
	for k := range t {
		t[k].feeds, t[k].aggregates = t[k].feeds[:0], 0
	}
}

func (t *tally) add(feed string, c Category, score uint8, aggregate bool) {
	k := &t[kind(c)]
	if aggregate {
		k.aggregates = max(k.aggregates, score)
		return
	}
	for i := range k.feeds {
		if k.feeds[i].feed == feed {
			k.feeds[i].score = max(k.feeds[i].score, score)
			return
		}
	}
	k.feeds = append(k.feeds, feedScore{feed, score})
}

// combined returns what the feeds are worth together for a category, 0-100. It is
// never less than what one of them is worth.
func (t *tally) combined(c Category) uint8 {
	k := &t[kind(c)]
	if len(k.feeds) == 1 {
		return max(k.feeds[0].score, k.aggregates)
	}
	doubt := 1.0
	for _, f := range k.feeds {
		doubt *= 1 - float64(f.score)/100
	}
	return max(uint8(100*(1-doubt)+0.5), k.aggregates)
}

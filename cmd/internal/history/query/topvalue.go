package query

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// Value is what is added up for each group of records.
type Value uint8

// The values. Bytes and packets are multiplied by the sampling rate unless the question
// is raw; the last two count different addresses.
const (
	SumBytes Value = iota
	SumPackets
	CountFlows
	CountSources
	CountTargets
)

var valueNames = []string{"bytes", "packets", "flows", "sips", "dips"}

// String returns the name of the value.
func (v Value) String() string { return valueNames[v] }

// ParseValue returns the Value of a name.
func ParseValue(name string) (Value, error) {
	if i := slices.Index(valueNames, name); i >= 0 {
		return Value(i), nil
	}
	return 0, &Error{Text: name, End: len(name), Option: "--value", Message: strconv.Quote(name) + " is not bytes, packets, flows, sips or dips", Suggestion: nearest.Word(name, valueNames)}
}

// ParseCount reads a number with a unit: 500, 10k, 1m.
func ParseCount(text string) (uint64, error) {
	n, _, ok := parseCount(text, math.MaxInt64)
	if !ok {
		return 0, fmt.Errorf("%q is not a number such as 500, 10k or 1m", text)
	}
	return n, nil
}

// counts reports whether the value counts different addresses, so that those of two
// groups do not add up.
func (v Value) counts() bool { return v >= CountSources }

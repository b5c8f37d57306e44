package settings

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Size is a number of bytes, not negative.
type Size int64

// The units of sizes. KB, MB, GB and TB are decimal, as disks are sold
// and df -H counts; KiB, MiB, GiB and TiB are binary.
const (
	KB  Size = 1000
	MB  Size = 1000 * KB
	GB  Size = 1000 * MB
	TB  Size = 1000 * GB
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

var sizeUnits = []struct {
	name string
	size Size
}{
	{"TiB", TiB}, {"TB", TB}, {"GiB", GiB}, {"GB", GB}, {"MiB", MiB}, {"MB", MB}, {"KiB", KiB}, {"KB", KB}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a whole number and a unit, in any case and with or without
// a space between them; without a unit the number counts bytes.
func (s *Size) UnmarshalText(b []byte) error {
	number := strings.TrimRightFunc(string(b), unicode.IsLetter)
	unit := string(b[len(number):])
	n, err := strconv.ParseUint(strings.TrimSuffix(number, " "), 10, 63)
	if err != nil {
		return fmt.Errorf("size %q: %w", b, errRejected)
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, unit) && Size(n) <= (1<<63-1)/u.size {
			*s = Size(n) * u.size
			return nil
		}
	}
	return fmt.Errorf("size %q: %w", b, errRejected)
}

// MarshalText returns the size in the largest unit that divides it.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return []byte(strconv.FormatInt(int64(s/u.size), 10) + u.name), nil
		}
	}
	return []byte("0"), nil
}

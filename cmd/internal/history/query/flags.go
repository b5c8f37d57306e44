package query

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

const flagLetters = "FSRPAUEC" // from bit 0 up

func flagBits(text string) (bits uint16, ok bool) {
	for i := range len(text) {
		n := strings.IndexByte(flagLetters, text[i]&^0x20)
		if n < 0 {
			return 0, false
		}
		bits |= 1 << n
	}
	return bits, text != ""
}

// addFlags reads S (set, whatever else is), S/SA (of SYN and ACK SYN alone) or none.
func (c *collector) addFlags(text string) *mistake {
	if strings.EqualFold(text, "none") {
		c.flags = append(c.flags, flagTest{0xff, 0})
		return nil
	}
	if letters := namedFlags(text); letters != "" {
		return &mistake{strconv.Quote(text) + " is not " + fields[Flags].want, letters}
	}
	high, low, masked := strings.Cut(text, "/")
	want, ok := flagBits(high)
	mask, maskOK := want, true
	if masked {
		mask, maskOK = flagBits(low)
		if high == "" {
			ok = true // /SA: neither
		}
	}
	if !ok || !maskOK {
		return c.unread(text, "")
	}
	if want&^mask != 0 {
		return &mistake{strconv.Quote(text) + " never matches: the flags before / must stand after it, too", high + "/" + mergeLetters(want|mask)}
	}
	c.flags = append(c.flags, flagTest{mask, want})
	return nil
}

// flagNames are the flags' names, in the order of flagLetters; X is all flags to nfdump.
var flagNames = []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// namedFlags returns the letters of flags that are written by their names, as in
// SYN-ACK, or as a number; "" when text is neither.
func namedFlags(text string) string {
	if strings.EqualFold(text, "x") {
		return "FSRPAU"
	}
	if n, err := strconv.ParseUint(text, 0, 8); err == nil && n > 0 {
		return mergeLetters(uint16(n))
	}
	var set uint16
	for name := range strings.FieldsFuncSeq(strings.ToUpper(text), func(r rune) bool { return strings.ContainsRune("-+|_/", r) }) {
		n := slices.Index(flagNames, name)
		if n < 0 {
			return ""
		}
		set |= 1 << n
	}
	return mergeLetters(set)
}

const severalFlags = "not of several flags: is none of them set, or are not all"

// several returns the letters of flags of which all must be set, when these are several.
func (v *values) several() (letters string, ok bool) {
	if len(v.flags) != 1 || v.flags[0].mask != v.flags[0].want || bits.OnesCount16(v.flags[0].want) < 2 || v.flags[0].mask == 0xff {
		return "", false
	}
	return mergeLetters(v.flags[0].want), true
}

func mergeLetters(bits uint16) (out string) {
	for n := range len(flagLetters) {
		if bits&(1<<n) != 0 {
			out += flagLetters[n : n+1]
		}
	}
	return out
}

// addExactFlags reads flags that are set while no other one is.
func (c *collector) addExactFlags(text string) *mistake {
	want, ok := flagBits(text)
	if !ok || namedFlags(text) != "" {
		return c.addFlags(text)
	}
	c.flags = append(c.flags, flagTest{0xff, want})
	return nil
}

package column

// country returns two letters as a string, "--" for none, without allocation for
// those that are codes.
func country(cc [2]byte) string {
	a, b := cc[0]-'A', cc[1]-'A'
	if a < 26 && b < 26 {
		i := (int(a)*26 + int(b)) * 2
		return codes[i : i+2]
	}
	switch cc {
	case [2]byte{}, [2]byte{'-', '-'}:
		return "--"
	case [2]byte{'x', 'p'}:
		return "xp" // private
	case [2]byte{'x', 'm'}:
		return "xm" // multicast
	}
	return string(cc[:])
}

// codes holds AA, AB, ... ZZ.
var codes = func() string {
	b := make([]byte, 0, 26*26*2)
	for i := range byte(26) {
		for j := range byte(26) {
			b = append(b, 'A'+i, 'A'+j)
		}
	}
	return string(b)
}()

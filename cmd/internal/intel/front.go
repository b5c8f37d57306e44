package intel

// front is a bitmap of 2 MiB that stands before the table of prefixes. Almost
// every address of real traffic is in no list, and one bit says so: it costs one
// cache line where the walk of even a small table costs several mispredicted
// branches. A nil front has nothing.
//
// For IPv4 it has one bit for each /24. For IPv6 a bit stands for all prefixes
// whose first 32 bits hash to it.
type front [frontBits / 64]uint64

const (
	frontBits = 1 << 24
	// widest6 is the shortest IPv6 prefix that is marked bit by bit: 8192 of
	// them. Feeds reject what is shorter.
	widest6 = 19
)

func (f *front) set(bit uint32)      { f[bit>>6] |= 1 << (bit & 63) }
func (f *front) has(bit uint32) bool { return f != nil && f[bit>>6]&(1<<(bit&63)) != 0 }

func (f *front) has4(ip uint32) bool { return f.has(ip >> 8) }
func (f *front) has6(hi uint64) bool { return f.has(hash6(uint32(hi >> 32))) }

// hash6 spreads the first 32 bits of an IPv6 address over the bitmap (Fibonacci hashing).
func hash6(top uint32) uint32 { return top * 0x9e3779b1 >> 8 }

// mark4 sets the bits of every /24 that the prefix touches.
func (f *front) mark4(ip uint32, bits int) {
	first := ip >> 8
	last := first
	if bits < 24 {
		last += 1<<(24-bits) - 1
	}
	for bit := first; bit <= last; bit++ {
		f.set(bit)
	}
}

// mark6 sets the bits of every /32 that the prefix touches, or all bits for a
// prefix that is too wide to walk.
func (f *front) mark6(hi uint64, bits int) {
	if bits < widest6 {
		for i := range f {
			f[i] = ^uint64(0)
		}
		return
	}
	first := uint32(hi >> 32)
	n := uint32(1)
	if bits < 32 {
		n <<= 32 - bits
	}
	for i := range n {
		f.set(hash6(first + i))
	}
}

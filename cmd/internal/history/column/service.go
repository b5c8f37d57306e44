package column

// A service is a protocol and the port that its servers answer on, of a record's two
// ports: a number of 24 bits, the protocol above. Port 0 stands for all ports that are
// none of a service's, and for protocols without ports. Both directions of a
// conversation are of the same service.
//
// The ports are a part of the format of a day's roll-up: a change needs another magic
// there, so that old days are read from their files.

// Ported reports whether a protocol has ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
func Ported(proto uint8) bool {
	switch proto {
	case 6, 17, 33, 132, 136:
		return true
	}
	return false
}

// known are ports from 1024 on that servers answer on in many networks.
var known = portSet(1080, 1194, 1433, 1434, 1521, 1701, 1720, 1723, 1812, 1813, 1883, 1900, 1935, 2049, 2055, 2222, 2375, 2376, 2379, 2380, 3000, 3128, 3268, 3269, 3306, 3389,
	3478, 3690, 3702, 4369, 4443, 4444, 4500, 4739, 4786, 4789, 5000, 5060, 5061, 5222, 5223, 5269, 5351, 5353, 5355, 5357, 5432, 5555, 5601, 5631, 5671, 5672, 5683, 5800, 5900,
	5901, 5938, 5984, 5985, 5986, 6343, 6379, 6443, 6514, 6667, 6697, 7547, 8000, 8006, 8008, 8080, 8081, 8086, 8088, 8291, 8333, 8443, 8883, 8888, 9000, 9001, 9042, 9050, 9090,
	9092, 9100, 9200, 9300, 9418, 9443, 9995, 9996, 10000, 10050, 10051, 10250, 11211, 15672, 20000, 25565, 27015, 27017)

func portSet(ports ...uint16) (set [1 << 16 / 64]uint64) {
	for _, p := range ports {
		set[p>>6] |= 1 << (p & 63)
	}
	return set
}

// ServicePort reports whether a port can be that of a service.
func ServicePort(p uint16) bool { return p != 0 && (p < 1024 || known[p>>6]>>(p&63)&1 != 0) }

// Service returns the service of a record: of two service ports the lower one.
func Service(proto uint8, a, b uint16) uint32 {
	out := uint32(proto) << 16
	if !Ported(proto) {
		return out
	}
	if b < a {
		a, b = b, a
	}
	switch {
	case ServicePort(a):
		out |= uint32(a)
	case ServicePort(b):
		out |= uint32(b)
	}
	return out
}

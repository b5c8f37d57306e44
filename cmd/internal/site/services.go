package site

import (
	"slices"
)

// servicePorts are ports that servers answer on in many networks, so that of a
// conversation's two ports the one in this list is the server's. Two kinds are
// absent on purpose, because they are clients' ports too: those below 1024 that
// no common service has (NFS and rsh clients, and scanners, send from them), and
// all from 32768 up (where operating systems choose clients' ports).
var servicePorts = []uint16{
	// Remote access and files.
	20, 21, 22, 23, 69, 111, 513, 514, 515, 548, 631, 873, 989, 990, 992, 2049, 2222, 3389, 5631, 5800, 5900, 5901, 5938, 9100,
	// Mail and news.
	25, 109, 110, 119, 143, 465, 563, 587, 993, 995,
	// Web and proxies.
	80, 81, 82, 443, 1080, 3000, 3128, 4443, 5000, 7001, 7002, 8000, 8001, 8008, 8009, 8080, 8081, 8082, 8083, 8088, 8090, 8118, 8443, 8888, 9000, 9001, 9080, 9090, 9443, 10000,
	// Names, time, addresses, directories.
	7, 13, 19, 37, 43, 53, 67, 88, 113, 123, 389, 464, 547, 636, 749, 853, 1900, 3268, 3269, 3702, 5351, 5353, 5355,
	// Windows.
	42, 135, 137, 138, 139, 445, 593, 5357, 5985, 5986,
	// Routers, monitoring, logs, flows.
	49, 161, 162, 179, 520, 521, 623, 646, 830, 1812, 1813, 2055, 4739, 4786, 4789, 5666, 6343, 6514, 7547, 8291, 9995, 9996, 10050, 10051,
	// Tunnels and virtual private networks.
	500, 1194, 1701, 1723, 4500,
	// Databases and queues.
	1433, 1434, 1521, 1883, 2181, 2379, 2380, 3050, 3306, 4369, 5432, 5601, 5671, 5672, 5984, 6379, 8086, 8883, 9042, 9092, 9200, 9300, 11211, 15672, 27017,
	// Containers, virtual machines, source code.
	902, 2375, 2376, 3690, 5001, 6443, 8006, 8140, 9418, 10250,
	// Voice, chat, games.
	194, 554, 1720, 1935, 3478, 5060, 5061, 5222, 5223, 5269, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697, 25565, 27015,
	// Industry.
	102, 502, 1911, 2404, 4840, 5683, 20000,
	// What malware and its hunters meet: Tor, Metasploit, Android, bitcoin.
	4444, 5555, 8333, 9030, 9050,
}

// AllServicePorts returns the built-in service ports and those of ServicePorts,
// in ascending order and each once.
func (n Networks) AllServicePorts() []uint16 {
	ports := slices.Clone(servicePorts)
	for _, r := range n.ServicePorts {
		for p := int(r.First); p <= int(r.Last); p++ {
			ports = append(ports, uint16(p))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/ipv4"
)

// The v9 record of the benchmark: 22 fields, 57 bytes, as a router with full
// NetFlow sends it.
var fields = [][2]uint16{
	{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 4}, {1, 4}, {22, 4}, {21, 4}, {7, 2}, {11, 2},
	{6, 1}, {4, 1}, {5, 1}, {9, 1}, {13, 1}, {16, 4}, {17, 4}, {61, 1}, {89, 1}, {48, 1}, {60, 1},
}

const (
	flowsPerDatagram = 25
	datagramsMade    = 2048 // distinct datagrams that are sent in turn
	uptimeMS         = 3_600_000
)

var be = binary.BigEndian

// sender sends v9 datagrams from one source port and keeps count.
type sender struct {
	conn      *ipv4.PacketConn
	udp       *net.UDPConn
	datagrams [][]byte
	each      int // flows in one of datagrams
	sequence  uint32
	next      int
	sent      uint64 // flows
	planted   uint32 // of these, hits
}

func newSender(port int) (*sender, error) {
	udp, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return nil, err
	}
	if err := udp.SetWriteBuffer(4 << 20); err != nil {
		return nil, err
	}
	s := &sender{udp: udp, conn: ipv4.NewPacketConn(udp), each: flowsPerDatagram}
	r := rand.New(rand.NewPCG(1, 2))
	for range datagramsMade {
		flows := make([]flow, flowsPerDatagram)
		for i := range flows {
			flows[i] = made(0x0a000000|r.Uint32()&0xffff, ordinary(r), uint16(r.Uint32()))
		}
		s.datagrams = append(s.datagrams, dataDatagram(flows))
	}
	return s, nil
}

// ordinary returns an address that no list of the benchmark holds: they stand in
// 11.0.0.0/8 and 198.51.0.0/16.
func ordinary(r *rand.Rand) uint32 {
	for {
		if a := r.Uint32(); !listed(a) && a>>24 != 0 {
			return a
		}
	}
}

// listed reports whether a list of the benchmark may hold an address.
func listed(a uint32) bool { return a>>24 == 11 || a>>16 == 0xc633 }

func (s *sender) close() { s.udp.Close() }

func (s *sender) stamp(b []byte) []byte {
	be.PutUint32(b[8:], uint32(time.Now().Unix()))
	be.PutUint32(b[12:], s.sequence)
	s.sequence++
	return b
}

func (s *sender) template() error {
	_, err := s.udp.Write(s.stamp(templateDatagram()))
	return err
}

// plant sends a datagram of n flows that are hits.
func (s *sender) plant(n int) error {
	flows := make([]flow, n)
	for i := range flows {
		flows[i] = hitFlow(s.planted)
		s.planted++
	}
	s.sent += uint64(n)
	_, err := s.udp.Write(s.stamp(dataDatagram(flows)))
	return err
}

// hitFlow is a flow from a source of its own to a listed address, which at most three
// others talk to: what many talk to is folded.
func hitFlow(n uint32) flow {
	return made(0x0a800000|n, 0xc6330000|n&0xffff, 40000)
}

// blast sends flows at rate (a second) for d and calls each about every 10 ms.
func (s *sender) blast(rate float64, d time.Duration, each func()) error {
	const most = 32
	messages := make([]ipv4.Message, most)
	start, lastEach := time.Now(), time.Now()
	for sent := int64(0); ; {
		elapsed := time.Since(start)
		if elapsed >= d {
			return nil
		}
		if each != nil && time.Since(lastEach) > 10*time.Millisecond {
			lastEach = time.Now()
			each()
		}
		due := int64(elapsed.Seconds()*rate/float64(s.each)) - sent
		if due <= 0 {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		batch := messages[:min(due, most)]
		for i := range batch {
			batch[i].Buffers = [][]byte{s.stamp(s.datagrams[s.next%len(s.datagrams)])}
			s.next++
		}
		for rest := batch; len(rest) > 0; {
			n, err := s.conn.WriteBatch(rest, 0)
			if err != nil {
				return fmt.Errorf("send: %w", err)
			}
			rest = rest[n:]
			sent += int64(n)
			s.sent += uint64(n * s.each)
		}
	}
}

// flow is the part of a record that the benchmark varies.
type flow struct {
	src, dst       uint32
	sport, dport   uint16
	flags, proto   byte
	bytes, packets uint32
	took           uint32 // ms
}

// made is a connection to a web server.
func made(src, dst uint32, sport uint16) flow {
	some := 1 + src&0x3f
	return flow{src: src, dst: dst, sport: sport, dport: 443, flags: 0x1b, proto: 6, bytes: some, packets: some, took: 9000}
}

func header(count int) []byte {
	b := make([]byte, 20, 1500)
	be.PutUint16(b, 9)
	be.PutUint16(b[2:], uint16(count))
	be.PutUint32(b[4:], uptimeMS)
	be.PutUint32(b[16:], 1)
	return b
}

func templateDatagram() []byte {
	b := header(1)
	b = be.AppendUint16(b, 0)
	b = be.AppendUint16(b, uint16(8+4*len(fields)))
	b = be.AppendUint16(b, 256)
	b = be.AppendUint16(b, uint16(len(fields)))
	for _, f := range fields {
		b = be.AppendUint16(be.AppendUint16(b, f[0]), f[1])
	}
	return b
}

func dataDatagram(flows []flow) []byte {
	b := header(len(flows))
	start := len(b)
	b = be.AppendUint32(b, 256<<16)
	for _, f := range flows {
		for _, field := range fields {
			var v uint64
			switch field[0] {
			case 8:
				v = uint64(f.src)
			case 12:
				v = uint64(f.dst)
			case 7:
				v = uint64(f.sport)
			case 11:
				v = uint64(f.dport)
			case 1:
				v = uint64(f.bytes)
			case 2:
				v = uint64(f.packets)
			case 22:
				v = uptimeMS - 1000 - uint64(f.took)
			case 21:
				v = uptimeMS - 1000
			case 6:
				v = uint64(f.flags)
			case 4:
				v = uint64(f.proto)
			case 60:
				v = 4
			case 48:
				v = 0
			default:
				v = uint64(1 + f.src&0x3f)
			}
			for i := int(field[1]) - 1; i >= 0; i-- {
				b = append(b, byte(v>>(8*i)))
			}
		}
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

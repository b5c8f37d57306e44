package udp

import (
	"log/slog"
	"net"
	"testing"
)

// pair returns a socket and an exporter that sends to it.
func pair(tb testing.TB) (*socket, *net.UDPConn) {
	tb.Helper()
	sockets, err := open("udp", ":0", 1, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	s := sockets[0]
	s.setBuffer(DefaultBuffer)
	port := s.conn.LocalAddr().(*net.UDPAddr).Port
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close(); s.conn.Close() })
	return s, c
}

func TestReceiveAllocatesNothing(t *testing.T) {
	s, c := pair(t)
	data := make([]byte, 1400)
	got := 0
	allocs := testing.AllocsPerRun(100, func() {
		for range 10 {
			_, _ = c.Write(data)
		}
		batch, err := s.receive()
		if err != nil {
			t.Fatal(err)
		}
		got += len(batch)
	})
	if allocs != 0 || got == 0 {
		t.Errorf("%v allocations a batch, %d datagrams", allocs, got)
	}
}

// BenchmarkReceive takes 1,400-byte datagrams off a full socket; sending them is
// not timed.
func BenchmarkReceive(b *testing.B) {
	s, c := pair(b)
	data := make([]byte, 1400)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; {
		b.StopTimer()
		burst := min(left, 1024)
		for range burst {
			if _, err := c.Write(data); err != nil {
				b.Fatal(err)
			}
		}
		left -= burst
		b.StartTimer()
		for burst > 0 {
			batch, err := s.receive()
			if err != nil {
				b.Fatal(err)
			}
			burst -= len(batch)
		}
	}
}

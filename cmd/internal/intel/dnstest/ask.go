package dnstest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Answer is what a server answers, as far as policy goes.
type Answer struct {
	// Code is NOERROR, NXDOMAIN or another response code, or "dropped" when
	// nothing came back.
	Code string
	// Truncated asks to come back over TCP.
	Truncated bool
	// Records are the addresses and targets of aliases, in their order.
	Records []string
}

// A server on this machine that has not answered by then does not mean to.
const patience = time.Second

// Ask asks for the IPv4 or IPv6 addresses of a name, over UDP.
func (s *Server) Ask(name string, v6 bool) Answer {
	s.t.Helper()
	return s.ask("udp", name, v6)
}

// AskTCP is Ask over TCP.
func (s *Server) AskTCP(name string, v6 bool) Answer {
	s.t.Helper()
	return s.ask("tcp", name, v6)
}

func (s *Server) ask(network, name string, v6 bool) Answer {
	s.t.Helper()
	packet, err := s.exchange(network, s.question(name, v6))
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
		return Answer{Code: "dropped"}
	}
	if err != nil {
		s.t.Fatalf("ask for %s: %v", name, err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		s.t.Fatalf("the answer about %s: %v", name, err)
	}
	return answerOf(&m)
}

func (s *Server) question(name string, v6 bool) []byte {
	s.t.Helper()
	kind := dnsmessage.TypeA
	if v6 {
		kind = dnsmessage.TypeAAAA
	}
	packet, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}).Pack()
	if err != nil {
		s.t.Fatal(err)
	}
	return packet
}

func (s *Server) exchange(network string, question []byte) ([]byte, error) {
	conn, err := net.Dial(network, "127.0.0.1:"+strconv.Itoa(s.port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if network == "tcp" { // two bytes of length go before (RFC 1035 section 4.2.2)
		question = append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)
	}
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	answer := make([]byte, 64<<10)
	if network == "udp" {
		n, err := conn.Read(answer)
		return answer[:n], err
	}
	if _, err := io.ReadFull(conn, answer[:2]); err != nil {
		return nil, err
	}
	answer = answer[:binary.BigEndian.Uint16(answer)]
	_, err = io.ReadFull(conn, answer)
	return answer, err
}

func answerOf(m *dnsmessage.Message) Answer {
	a := Answer{Truncated: m.Truncated}
	switch m.RCode {
	case dnsmessage.RCodeSuccess:
		a.Code = "NOERROR"
	case dnsmessage.RCodeNameError:
		a.Code = "NXDOMAIN"
	default:
		a.Code = m.RCode.String()
	}
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			a.Records = append(a.Records, netip.AddrFrom4(b.A).String())
		case *dnsmessage.AAAAResource:
			a.Records = append(a.Records, netip.AddrFrom16(b.AAAA).String())
		case *dnsmessage.CNAMEResource:
			a.Records = append(a.Records, b.CNAME.String())
		}
	}
	return a
}

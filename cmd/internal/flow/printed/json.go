package printed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// jsonReader reads nfdump's json output: an array of flows, or one a line.
type jsonReader struct {
	in    *limited
	d     *json.Decoder
	array bool
	begun bool
}

// limited stops a value that never ends, before it fills the memory.
type limited struct {
	in   io.Reader
	left int
}

var errLong = fmt.Errorf("a flow is longer than the limit of %d bytes: this is not a list of flows", maxLine)

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLong
	}
	n, err := l.in.Read(b[:min(len(b), maxLine)])
	l.left -= n
	return n, err
}

func newJSONReader(r io.Reader, array bool) *jsonReader {
	in := &limited{in: r, left: 2 * maxLine}
	return &jsonReader{in: in, d: json.NewDecoder(in), array: array}
}

// printedFlow is what nfdump prints of a flow and a Record keeps. nfdump prints some
// numbers in quotes.
type printedFlow struct {
	Type     string `json:"type"`
	First    string `json:"first"`
	Last     string `json:"last"`
	Received string `json:"received"`

	Src4 string `json:"src4_addr"`
	Src6 string `json:"src6_addr"`
	Dst4 string `json:"dst4_addr"`
	Dst6 string `json:"dst6_addr"`
	NAT4 string `json:"src4_xlt_ip"`
	NAT6 string `json:"src6_xlt_ip"`
	NDT4 string `json:"dst4_xlt_ip"`
	NDT6 string `json:"dst6_xlt_ip"`
	Ip4  string `json:"ip4_router"` //nolint:revive,staticcheck // as its key
	Ip6  string `json:"ip6_router"` //nolint:revive,staticcheck // as its key

	Packets    *uint64 `json:"in_packets"`
	Bytes      *uint64 `json:"in_bytes"`
	RevPackets uint64  `json:"out_packets"`
	RevBytes   uint64  `json:"out_bytes"`

	Proto   *uint8  `json:"proto"`
	Flags   *string `json:"tcp_flags"`
	SrcPort *uint16 `json:"src_port"`
	DstPort *uint16 `json:"dst_port"`
	ICMP    *uint8  `json:"icmp_type"`
	Code    uint8   `json:"icmp_code"`
	ToS     *uint8  `json:"src_tos"`
	In      uint32  `json:"input_snmp"`
	Out     uint32  `json:"output_snmp"`

	SrcAS uint32 `json:"src_as"`
	DstAS uint32 `json:"dst_as"`

	NATSport json.Number `json:"src_xlt_port"`
	NATDport json.Number `json:"dst_xlt_port"`
	Event    json.Number `json:"event_id"`
}

func (j *jsonReader) next(p *row) error {
	j.in.left = 2 * maxLine
	if j.array && !j.begun {
		j.begun = true
		if _, err := j.d.Token(); err != nil { // the bracket
			return fmt.Errorf("nfdump json: %w", err)
		}
	}
	if j.array && !j.d.More() {
		if _, err := j.d.Token(); err != nil { // the bracket at the end
			return fmt.Errorf("nfdump json: the list has no end: %w", io.ErrUnexpectedEOF)
		}
		return io.EOF
	}
	var f printedFlow
	switch err := j.d.Decode(&f); {
	case errors.Is(err, io.EOF) && !j.array:
		return io.EOF
	case err != nil:
		return fmt.Errorf("nfdump json: %w", err)
	}
	return f.fill(p)
}

// fill takes what the flow says over.
func (f *printedFlow) fill(p *row) error {
	for _, step := range []struct {
		text string
		set  setter
	}{
		{f.First, setStart}, {f.Last, setEnd}, {f.Received, setReceived}, {f.Src4, setSrc}, {f.Src6, setSrc}, {f.Dst4, setDst}, {f.Dst6, setDst},
		{f.Ip4, setExporter}, {f.Ip6, setExporter}, {f.NAT4, setNATSrc}, {f.NAT6, setNATSrc}, {f.NDT4, setNATDst}, {f.NDT6, setNATDst},
		{string(f.NATSport), setNATSport}, {string(f.NATDport), setNATDport}, {string(f.Event), setEvent},
	} {
		if step.text == "" {
			continue
		}
		if err := step.set(p, []byte(step.text)); err != nil {
			return fmt.Errorf("nfdump json: %w", err)
		}
	}
	r := &p.r
	if f.Packets != nil {
		r.Packets, r.Has = *f.Packets, r.Has|flow.HasPackets
	}
	if f.Bytes != nil {
		r.Bytes, r.Has = *f.Bytes, r.Has|flow.HasBytes
	}
	if f.RevPackets|f.RevBytes != 0 {
		r.RevPackets, r.RevBytes, r.Has = f.RevPackets, f.RevBytes, r.Has|flow.HasReverse
	}
	if f.Proto != nil {
		r.Proto, r.Has, p.has = *f.Proto, r.Has|flow.HasProto, p.has|seenProto
	}
	if f.ToS != nil {
		r.ToS, r.Has = *f.ToS, r.Has|flow.HasToS
	}
	if r.InIf = f.In; f.In != 0 {
		r.Has |= flow.HasInIf
	}
	if r.OutIf = f.Out; f.Out != 0 {
		r.Has |= flow.HasOutIf
	}
	if r.SrcAS = f.SrcAS; f.SrcAS != 0 {
		r.Has |= flow.HasSrcAS
	}
	if r.DstAS = f.DstAS; f.DstAS != 0 {
		r.Has |= flow.HasDstAS
	}
	if f.SrcPort != nil && f.DstPort != nil {
		p.sport, p.dport, p.has = uint32(*f.SrcPort), uint32(*f.DstPort), p.has|seenPorts
	}
	if f.ICMP != nil {
		p.icmpType, p.icmpCode, p.has = uint32(*f.ICMP), uint32(f.Code), p.has|seenICMP
	}
	if f.Flags != nil {
		if err := setFlags(p, []byte(*f.Flags)); err != nil {
			return fmt.Errorf("nfdump json: %w", err)
		}
	}
	return nil
}

func setNATSrc(p *row, v []byte) (err error) {
	if p.r.NATSrc, err = parseAddr(v); !p.r.NATSrc.IsUnspecified() {
		p.r.Has |= flow.HasNATSrc
	}
	return err
}

func setNATDst(p *row, v []byte) (err error) {
	if p.r.NATDst, err = parseAddr(v); !p.r.NATDst.IsUnspecified() {
		p.r.Has |= flow.HasNATDst
	}
	return err
}

func setNATSport(p *row, v []byte) error {
	n, err := parseUint(v, 16)
	p.r.NATSrcPort = uint16(n)
	return err
}

func setNATDport(p *row, v []byte) error {
	n, err := parseUint(v, 16)
	p.r.NATDstPort = uint16(n)
	return err
}

func setEvent(p *row, v []byte) error {
	n, err := parseUint(v, 8)
	if n != 0 {
		p.r.Firewall, p.r.Has = flow.FirewallEvent(n), p.r.Has|flow.HasFirewall
	}
	return err
}

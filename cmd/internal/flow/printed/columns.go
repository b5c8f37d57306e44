package printed

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// setter takes the value of one column.
type setter func(p *row, v []byte) error

// columns are the columns of a text, in its order; nil: it says nothing that is kept.
type columns struct {
	separator byte
	titles    []string
	set       []setter
}

// csvColumns reads the first line of nfdump's csv output, nil when it is none.
func csvColumns(text []byte) *columns { return newColumns(text, ',') }

// silkColumns reads rwcut's titles, whatever separates the columns.
func silkColumns(text []byte) *columns {
	if c := newColumns(text, '|'); c != nil {
		return c
	}
	for _, separator := range []byte("\t;:, ") {
		if c := newColumns(text, separator); c != nil {
			return c
		}
	}
	return nil
}

// silk reports whether the titles are rwcut's: --delimited=, makes commas of its bars.
func (c *columns) silk() bool {
	return slices.Contains(c.titles, "sip") || slices.Contains(c.titles, "stime")
}

// untitled returns the columns that rwcut prints unless it is told others, when text is
// a line of these, printed with --no-titles; nil when it is not.
func untitled(text []byte) *columns {
	for _, separator := range []byte("|,\t;: ") {
		titles := strings.ReplaceAll("sip|dip|sport|dport|protocol|packets|bytes|flags|stime|duration|etime|sensor", "|", string(separator))
		line := bytes.TrimRight(text, "\r\n")
		if bytes.HasSuffix(line, []byte{separator}) {
			titles += string(separator)
		}
		c := newColumns([]byte(titles), separator)
		var p row
		p.begin(time.UTC)
		p.reset()
		if is, err := c.line(line, &p); is && err == nil && p.finish(new(flow.Record)) == nil {
			return c
		}
	}
	return nil
}

func newColumns(text []byte, separator byte) *columns {
	c := &columns{separator: separator}
	known := 0
	for _, title := range bytes.Split(text, []byte{separator}) {
		name := strings.ToLower(string(bytes.TrimSpace(title)))
		set := setters[name]
		if set != nil {
			known++
		}
		c.titles = append(c.titles, name)
		c.set = append(c.set, set)
	}
	if known < 4 {
		return nil
	}
	return c
}

// line reads one line. nfdump's csv ends with a summary, of which no line has the
// columns of a flow.
func (c *columns) line(text []byte, p *row) (bool, error) {
	n := bytes.Count(text, []byte{c.separator}) + 1
	switch {
	case n < len(c.set)/2 && isSummary(text):
		return false, nil
	case n != len(c.set):
		if c.separator == ' ' {
			return false, fmt.Errorf("%d columns where the titles have %d: let rwcut print --delimited", n, len(c.set))
		}
		return false, fmt.Errorf("%d columns where the titles have %d", n, len(c.set))
	}
	for i, set := range c.set {
		value := text
		if at := bytes.IndexByte(text, c.separator); at >= 0 {
			value, text = text[:at], text[at+1:]
		}
		if set == nil {
			continue
		}
		if value = bytes.TrimSpace(value); len(value) == 0 && c.titles[i] != "flags" && c.titles[i] != "flg" && c.titles[i] != "fla" {
			continue
		}
		if err := set(p, value); err != nil {
			return false, fmt.Errorf("column %s: %w", c.titles[i], err)
		}
	}
	return true, nil
}

// isSummary reports whether a line is of what nfdump prints below its csv: a title, the
// names of six sums, and the sums.
func isSummary(text []byte) bool {
	for _, start := range []string{"Summary", "flows,bytes,packets,", "No match"} {
		if bytes.HasPrefix(text, []byte(start)) {
			return true
		}
	}
	return bytes.Count(text, []byte(",")) == 5 && len(bytes.Trim(text, "0123456789,")) == 0
}

// setters are the columns that mean something, by their titles in lower case: those of
// nfdump 1.6 and 1.7, then those of rwcut, which cuts titles to the column's width.
var setters = map[string]setter{
	"ts": setStart, "firstseen": setStart, "te": setEnd, "lastseen": setEnd, "td": setDuration, "duration": setDuration,
	"tr": setReceived, "received": setReceived,
	"sa": setSrc, "srcaddr": setSrc, "da": setDst, "dstaddr": setDst,
	"sp": setSport, "srcport": setSport, "dp": setDport, "dstport": setDport,
	"pr": setProto, "proto": setProto, "flg": setFlags, "flags": setFlags, "fla": setFlags, "tcpflags": setFlags,
	"stos": setToS, "srctos": setToS, "tos": setToS,
	"ipkt": setPackets, "packets": setPackets, "inpackets": setPackets, "ibyt": setBytes, "bytes": setBytes, "inbytes": setBytes,
	"opkt": setRevPackets, "outpackets": setRevPackets, "obyt": setRevBytes, "outbytes": setRevBytes,
	"in": setIn, "input": setIn, "out": setOut, "output": setOut,
	"sas": setSrcAS, "srcas": setSrcAS, "das": setDstAS, "dstas": setDstAS,
	"ra": setExporter, "routerip": setExporter, "eng": setEngine,

	"sip": setSrc, "dip": setDst, "sport": setSport, "dport": setDport, "protocol": setProto, "pro": setProto,
	"stime": setStart, "etime": setEnd, "stime+msec": setStart, "etime+msec": setEnd, "dur": setDuration, "durat": setDuration,
	"dur+msec": setDuration, "duration+msec": setDuration, "ity": setICMPType, "itype": setICMPType, "ico": setICMPCode, "icode": setICMPCode,
}

func setStart(p *row, v []byte) (err error) {
	p.start, err = p.times.parse(v)
	p.has |= seenStart
	return err
}

func setEnd(p *row, v []byte) (err error) {
	p.end, err = p.times.parse(v)
	p.has |= seenEnd
	return err
}

func setReceived(p *row, v []byte) (err error) {
	p.received, err = p.times.parse(v)
	p.has |= seenReceived
	return err
}

func setDuration(p *row, v []byte) (err error) {
	p.duration, err = parseDuration(v)
	return err
}

func setSrc(p *row, v []byte) (err error) {
	p.r.Src, err = parseAddr(v)
	p.has |= seenSrc
	return err
}

func setDst(p *row, v []byte) (err error) {
	p.r.Dst, err = parseAddr(v)
	p.has |= seenDst
	return err
}

func setExporter(p *row, v []byte) error {
	a, err := parseAddr(v)
	if err == nil && !a.IsUnspecified() {
		p.r.Exporter = a
	}
	return err
}

func setSport(p *row, v []byte) (err error) {
	p.sport, err = parseUint(v, 16)
	return err
}

// setDport reads a port, or of ICMP "type.code".
func setDport(p *row, v []byte) (err error) {
	if kind, code, ok := bytes.Cut(v, []byte(".")); ok {
		if err := setICMPType(p, kind); err != nil {
			return err
		}
		return setICMPCode(p, code)
	}
	p.has |= seenPorts
	p.dport, err = parseUint(v, 16)
	return err
}

func setICMPType(p *row, v []byte) (err error) {
	p.has |= seenICMP
	p.icmpType, err = parseUint(v, 8)
	return err
}

func setICMPCode(p *row, v []byte) (err error) {
	p.has |= seenICMP
	p.icmpCode, err = parseUint(v, 8)
	return err
}

func setProto(p *row, v []byte) (err error) {
	p.r.Proto, err = parseProto(v)
	p.has |= seenProto
	p.r.Has |= flow.HasProto
	return err
}

func setFlags(p *row, v []byte) (err error) {
	p.r.TCPFlags, err = parseFlags(v)
	p.r.Has |= flow.HasTCPFlags
	return err
}

func setToS(p *row, v []byte) error {
	n, err := parseUint(v, 8)
	p.r.ToS = uint8(n)
	p.r.Has |= flow.HasToS
	return err
}

func setPackets(p *row, v []byte) (err error) {
	p.r.Packets, err = parseCount(v)
	p.r.Has |= flow.HasPackets
	return err
}

func setBytes(p *row, v []byte) (err error) {
	p.r.Bytes, err = parseCount(v)
	p.r.Has |= flow.HasBytes
	return err
}

func setRevPackets(p *row, v []byte) (err error) {
	p.r.RevPackets, err = parseCount(v)
	p.r.Has |= flow.HasReverse
	return err
}

func setRevBytes(p *row, v []byte) (err error) {
	p.r.RevBytes, err = parseCount(v)
	p.r.Has |= flow.HasReverse
	return err
}

// setIn and setOut: 0 is what both tools print where there was no interface.
func setIn(p *row, v []byte) (err error) {
	if p.r.InIf, err = parseUint(v, 32); p.r.InIf != 0 {
		p.r.Has |= flow.HasInIf
	}
	return err
}

func setOut(p *row, v []byte) (err error) {
	if p.r.OutIf, err = parseUint(v, 32); p.r.OutIf != 0 {
		p.r.Has |= flow.HasOutIf
	}
	return err
}

// setSrcAS and setDstAS: 0 is what nfdump prints where it knows none.
func setSrcAS(p *row, v []byte) (err error) {
	if p.r.SrcAS, err = parseUint(v, 32); p.r.SrcAS != 0 {
		p.r.Has |= flow.HasSrcAS
	}
	return err
}

func setDstAS(p *row, v []byte) (err error) {
	if p.r.DstAS, err = parseUint(v, 32); p.r.DstAS != 0 {
		p.r.Has |= flow.HasDstAS
	}
	return err
}

// setEngine reads "type/id", which is NetFlow v5's observation domain.
func setEngine(p *row, v []byte) error {
	kind, id, ok := bytes.Cut(v, []byte("/"))
	if !ok {
		return fmt.Errorf("%q is not an engine", v)
	}
	t, err := parseUint(kind, 8)
	if err != nil {
		return err
	}
	n, err := parseUint(id, 8)
	p.r.Domain = t<<8 | n
	return err
}

package hit

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// Part names what a Status is about.
type Part string

// The parts.
const (
	Agent     Part = "agent"     // started reloaded stopped error dropping alive
	Feed      Part = "feed"      // ok error stale
	Collector Part = "collector" // ok silent loss template
	Output    Part = "output"    // ok down dropping
	Export    Part = "export"    // ok error
)

// Status is a line about flowhound itself, in the same log as the hits. Which
// fields a line has depends on its Part; the others are ignored.
type Status struct {
	Time   time.Time // zero: when it is written
	Part   Part
	Status string // one word; the Part's comment names them

	ID         string     // of the feed, output or export
	Version    string     // agent
	Indicators int        // feed: how many are live; export: how many the file holds
	Exporter   netip.Addr // collector: invalid when all are meant
	Msg        string     // for people
}

// AppendStatus appends s as the body of a line, as AppendLine does for a hit:
//
//	agent status=started version=1.2.0 msg="..."
//	feed id=otx status=ok indicators=1234 msg="..."
//	collector status=silent exporter=192.0.2.1 msg="..."
//	output id=siem status=down msg="..."
//	export id=rpz.db status=ok indicators=1234 msg="..."
func AppendStatus(b []byte, s *Status) []byte {
	end := len(b) + maxBody
	b = text.Token.Append(b, string(s.Part), maxToken)
	if s.Part == Feed || s.Part == Output || s.Part == Export {
		b = text.Token.Append(append(b, " id="...), s.ID, maxFeed)
	}
	b = text.Token.Append(append(b, " status="...), s.Status, maxToken)
	switch s.Part {
	case Agent:
		b = text.Token.Append(append(b, " version="...), s.Version, maxFeed)
	case Feed, Export:
		b = strconv.AppendInt(append(b, " indicators="...), int64(s.Indicators), 10)
	case Collector:
		b = appendAddr(append(b, " exporter="...), s.Exporter)
	}
	b = append(b, ` msg="`...)
	b = text.Line.Append(b, s.Msg, end-len(b)-len(`"`))
	return append(b, '"')
}

// MarshalJSON returns s as one JSON object, v and part first. What is empty or
// not of its Part is absent; indicator_count is always there of a feed or an export.
func (s Status) MarshalJSON() ([]byte, error) {
	w := struct {
		V          int       `json:"v"`
		Part       Part      `json:"part"`
		Status     string    `json:"status"`
		ID         string    `json:"id,omitempty"`
		Version    string    `json:"version,omitempty"`
		Indicators *int      `json:"indicator_count,omitempty"` // indicators is a hit's array, and an index takes one type a name
		Exporter   ip        `json:"exporter,omitzero"`
		Msg        string    `json:"msg,omitempty"`
		Time       time.Time `json:"time,omitzero"`
	}{V: Version, Part: s.Part, Status: s.Status, Msg: s.Msg, Time: s.Time.UTC()}
	switch s.Part {
	case Agent:
		w.Version = s.Version
	case Feed, Export:
		w.ID, w.Indicators = s.ID, &s.Indicators
	case Collector:
		w.Exporter = ip{s.Exporter}
	case Output:
		w.ID = s.ID
	}
	return encode(&w)
}

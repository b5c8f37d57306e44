package hit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// wire is the JSON form of a Hit: the line's keys first, in the line's order, so
// that a reader, and Wazuh's rules, know a hit by how it begins.
type wire struct {
	V         int       `json:"v"`
	Kind      Kind      `json:"kind,omitempty"`
	Severity  Severity  `json:"sev"`
	Direction Direction `json:"dir,omitempty"`
	State     State     `json:"state,omitempty"`
	Category  string    `json:"cat,omitempty"`
	Feed      string    `json:"feed,omitempty"`
	IOC       ioc       `json:"ioc,omitzero"`
	Score     int       `json:"score"`
	Src       ip        `json:"src,omitzero"`
	SrcPort   port      `json:"sport,omitzero"`
	Dst       ip        `json:"dst,omitzero"`
	DstPort   port      `json:"dport,omitzero"`
	Proto     proto     `json:"proto"`
	Count     uint64    `json:"count"`
	Bytes     uint64    `json:"bytes,omitempty"`
	Packets   uint64    `json:"pkts,omitempty"`
	Country   string    `json:"cc,omitempty"`
	Exporter  ip        `json:"exporter,omitzero"`
	Seen      string    `json:"seen,omitempty"` // for people: start and end say it exactly
	ID        string    `json:"id,omitempty"`
	Ref       string    `json:"ref,omitempty"`
	Name      string    `json:"name,omitempty"`

	Time  time.Time `json:"time,omitzero"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`

	Local      ip          `json:"local,omitzero"`
	Remote     ip          `json:"remote,omitzero"`
	Matched    Matched     `json:"matched,omitempty"`
	SrcBytes   uint64      `json:"src_bytes,omitempty"`
	DstBytes   uint64      `json:"dst_bytes,omitempty"`
	SrcPackets uint64      `json:"src_pkts,omitempty"`
	DstPackets uint64      `json:"dst_pkts,omitempty"`
	Sampling   uint32      `json:"sampling,omitempty"`
	Domain     uint32      `json:"domain,omitempty"`
	NATSrc     ip          `json:"nat_src,omitzero"`
	NATDst     ip          `json:"nat_dst,omitzero"`
	SrcCountry string      `json:"scc,omitempty"`
	DstCountry string      `json:"dcc,omitempty"`
	SrcAS      uint32      `json:"sas,omitempty"`
	DstAS      uint32      `json:"das,omitempty"`
	SrcOwner   string      `json:"src_owner,omitempty"`
	DstOwner   string      `json:"dst_owner,omitempty"`
	SrcHost    string      `json:"src_host,omitempty"`
	DstHost    string      `json:"dst_host,omitempty"`
	SrcSite    string      `json:"src_site,omitempty"`
	DstSite    string      `json:"dst_site,omitempty"`
	Sources    int         `json:"sources,omitempty"`
	Targets    int         `json:"targets,omitempty"`
	Duplicates uint64      `json:"duplicates,omitempty"`
	Exporters  []share     `json:"exporters,omitempty"`
	Regular    *regular    `json:"regular,omitempty"`
	Shared     string      `json:"shared,omitempty"`
	Scanner    string      `json:"scanner,omitempty"`
	Indicators []indicator `json:"indicators,omitempty"`
}

type indicator struct {
	IOC       ioc       `json:"ioc,omitzero"`
	Feed      string    `json:"feed,omitempty"`
	Category  string    `json:"cat,omitempty"`
	Score     int       `json:"score"`
	Ref       string    `json:"ref,omitempty"`
	Name      string    `json:"name,omitempty"`
	Tags      []string  `json:"tags,omitempty"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
}

type share struct {
	Exporter ip     `json:"exporter,omitzero"`
	Count    uint64 `json:"count"`
	Bytes    uint64 `json:"bytes"`
}

type regular struct {
	Score     decimal `json:"score,omitempty"`
	Period    decimal `json:"period_s,omitempty"`
	Deviation decimal `json:"deviation_s,omitempty"`
	Contacts  int     `json:"contacts,omitempty"`
	Missed    int     `json:"missed,omitempty"`
	Size      decimal `json:"size_bytes,omitempty"`
	SizeDev   decimal `json:"size_deviation_bytes,omitempty"`
	Held      decimal `json:"held_s,omitempty"`
}

// MarshalJSON returns h as one JSON object: v, the line's keys with numbers as
// numbers, then what the line has no room for. What is empty is absent; sev,
// score, proto and count are always there. Times are RFC 3339 in UTC, to the
// nanosecond.
func (h Hit) MarshalJSON() ([]byte, error) {
	w := toWire(&h)
	return encode(&w)
}

// UnmarshalJSON reads what MarshalJSON or AppendLogJSON wrote. Keys it does not
// know are ignored, as a newer program of the same Version may add some; another
// version is an error.
func (h *Hit) UnmarshalJSON(b []byte) error {
	w := wire{SrcPort: NoPort, DstPort: NoPort}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("hit: %w", err)
	}
	if w.V != Version {
		return fmt.Errorf("hit: JSON has version %d, this program reads %d: upgrade the older of the two", w.V, Version)
	}
	*h = w.hit()
	return nil
}

// encode is json.Marshal without escaping <, > and &, which URLs are full of.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func toWire(h *Hit) wire {
	w := wire{
		V: Version, Kind: h.Kind, Severity: h.Severity, Direction: h.Direction, State: h.State,
		Category: h.Category, Feed: h.Feed, IOC: ioc{h.IOC}, Score: h.Score,
		Src: ip{h.Src}, SrcPort: port(h.SrcPort), Dst: ip{h.Dst}, DstPort: port(h.DstPort), Proto: proto(h.Proto),
		Count: h.Count, Bytes: h.Bytes, Packets: h.Packets,
		Country: h.Country, Exporter: ip{h.Exporter}, ID: h.ID, Ref: h.Ref,
		Name: withSuffix(h),
		Time: h.Time.UTC(), First: h.First.UTC(), Last: h.Last.UTC(), Start: h.Start.UTC(), End: h.End.UTC(),
		Local: ip{h.Local}, Remote: ip{h.Remote}, Matched: h.Matched,
		SrcBytes: h.SrcBytes, DstBytes: h.DstBytes, SrcPackets: h.SrcPackets, DstPackets: h.DstPackets,
		Sampling: h.Sampling, Domain: h.Domain, NATSrc: ip{h.NATSrc}, NATDst: ip{h.NATDst},
		SrcCountry: h.SrcPlace.Country, SrcAS: h.SrcPlace.AS, SrcOwner: h.SrcPlace.Owner, SrcHost: h.SrcPlace.Host, SrcSite: h.SrcPlace.Site,
		DstCountry: h.DstPlace.Country, DstAS: h.DstPlace.AS, DstOwner: h.DstPlace.Owner, DstHost: h.DstPlace.Host, DstSite: h.DstPlace.Site,
		Sources: h.Sources, Targets: h.Targets, Duplicates: h.Duplicates, Shared: h.Shared, Scanner: h.Scanner,
	}
	for _, s := range h.Exporters {
		w.Exporters = append(w.Exporters, share{ip{s.Exporter}, s.Count, s.Bytes})
	}
	if r := h.Regular; r != nil {
		w.Regular = &regular{
			decimal(r.Score), decimal(r.PeriodSeconds), decimal(r.DeviationSeconds), r.Contacts, r.Missed,
			decimal(r.SizeBytes), decimal(r.SizeDeviationBytes), decimal(r.HeldSeconds),
		}
	}
	if seen := appendSeen(nil, h.Start, h.End); string(seen) != "-" {
		w.Seen = string(seen)
	}
	for _, i := range h.Indicators {
		w.Indicators = append(w.Indicators, indicator{
			IOC: ioc{i.IOC}, Feed: i.Feed, Category: i.Category, Score: i.Score, Ref: i.Ref, Name: i.Name, Tags: i.Tags,
			FirstSeen: i.FirstSeen.UTC(), LastSeen: i.LastSeen.UTC(),
		})
	}
	return w
}

func (w *wire) hit() Hit {
	h := Hit{
		Kind: w.Kind, Severity: w.Severity, Direction: w.Direction, State: w.State,
		Category: w.Category, Feed: w.Feed, IOC: w.IOC.Prefix, Score: w.Score,
		Src: w.Src.Addr, SrcPort: int(w.SrcPort), Dst: w.Dst.Addr, DstPort: int(w.DstPort), Proto: uint8(w.Proto),
		Count: w.Count, Bytes: w.Bytes, Packets: w.Packets,
		Country: w.Country, Exporter: w.Exporter.Addr, ID: w.ID, Ref: w.Ref, Name: w.Name,
		Time: w.Time, First: w.First, Last: w.Last, Start: w.Start, End: w.End,
		Local: w.Local.Addr, Remote: w.Remote.Addr, Matched: w.Matched,
		SrcBytes: w.SrcBytes, DstBytes: w.DstBytes, SrcPackets: w.SrcPackets, DstPackets: w.DstPackets,
		Sampling: w.Sampling, Domain: w.Domain, NATSrc: w.NATSrc.Addr, NATDst: w.NATDst.Addr,
		SrcPlace: Place{w.SrcCountry, w.SrcAS, w.SrcOwner, w.SrcHost, w.SrcSite},
		DstPlace: Place{w.DstCountry, w.DstAS, w.DstOwner, w.DstHost, w.DstSite},
		Sources:  w.Sources, Targets: w.Targets, Duplicates: w.Duplicates, Shared: w.Shared, Scanner: w.Scanner,
	}
	for _, s := range w.Exporters {
		h.Exporters = append(h.Exporters, Share{s.Exporter.Addr, s.Count, s.Bytes})
	}
	if r := w.Regular; r != nil {
		h.Regular = &Regular{
			float64(r.Score), float64(r.Period), float64(r.Deviation), r.Contacts, r.Missed,
			float64(r.Size), float64(r.SizeDev), float64(r.Held),
		}
	}
	h.Name = withoutSuffix(&h)
	for _, i := range w.Indicators {
		h.Indicators = append(h.Indicators, Indicator{
			IOC: i.IOC.Prefix, Feed: i.Feed, Category: i.Category, Score: i.Score, Ref: i.Ref, Name: i.Name, Tags: i.Tags,
			FirstSeen: i.FirstSeen, LastSeen: i.LastSeen,
		})
	}
	return h
}

// withSuffix returns the name as people see it, withoutSuffix the plain one again.
func withSuffix(h *Hit) string {
	suffix := h.Remarks()
	if h.Name == "" {
		return strings.TrimPrefix(suffix, " ")
	}
	return h.Name + suffix
}

func withoutSuffix(h *Hit) string {
	suffix := h.Remarks()
	if suffix != "" && h.Name == suffix[1:] {
		return ""
	}
	return strings.TrimSuffix(h.Name, suffix)
}

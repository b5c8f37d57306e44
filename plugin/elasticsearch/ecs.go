package main

import (
	"net/netip"
	"time"
)

// document is a hit in the Elastic Common Schema (elastic.co/docs/reference/ecs);
// Own holds what ECS has no field for. Every field is in
// integrations/elasticsearch/mappings.json: what is not there cannot be searched.
type document struct {
	Timestamp   time.Time  `json:"@timestamp,omitzero"`
	ECS         ecs        `json:"ecs"`
	DataStream  dataStream `json:"data_stream"`
	Message     string     `json:"message"`
	Tags        []string   `json:"tags"`
	Event       event      `json:"event"`
	Source      endpoint   `json:"source"`
	Destination endpoint   `json:"destination"`
	Network     network    `json:"network"`
	Observer    observer   `json:"observer"`
	Related     related    `json:"related"`
	Rule        rule       `json:"rule"`
	Threat      threat     `json:"threat"`
	Own         own        `json:"flowhound"`
}

type ecs struct {
	Version string `json:"version"`
}

type dataStream struct {
	Type      string `json:"type"`
	Dataset   string `json:"dataset"`
	Namespace string `json:"namespace"`
}

type event struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Category  []string  `json:"category"`
	Type      []string  `json:"type"`
	Action    string    `json:"action"`
	Module    string    `json:"module"`
	Dataset   string    `json:"dataset"`
	Provider  string    `json:"provider"`
	Severity  int       `json:"severity"`
	RiskScore int       `json:"risk_score"`
	Reason    string    `json:"reason,omitempty"`
	Reference string    `json:"reference,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`
	Duration  int64     `json:"duration,omitempty"` // nanoseconds
	Created   time.Time `json:"created,omitzero"`   // when the exporter's datagram came
}

type endpoint struct {
	Address string            `json:"address,omitempty"`
	Domain  string            `json:"domain,omitempty"`
	IP      netip.Addr        `json:"ip,omitzero"`
	Port    *int              `json:"port,omitempty"`
	Bytes   uint64            `json:"bytes"`
	Packets uint64            `json:"packets"`
	NAT     *translated       `json:"nat,omitempty"`
	Geo     *geo              `json:"geo,omitempty"`
	AS      *autonomousSystem `json:"as,omitempty"`
}

type translated struct {
	IP netip.Addr `json:"ip"`
}

type geo struct {
	Country string `json:"country_iso_code,omitempty"`
	Name    string `json:"name,omitempty"`
}

type autonomousSystem struct {
	Number       uint32        `json:"number,omitempty"`
	Organization *organization `json:"organization,omitempty"`
}

type organization struct {
	Name string `json:"name"`
}

type network struct {
	Type      string `json:"type,omitempty"`
	Transport string `json:"transport,omitempty"`
	Number    string `json:"iana_number"`
	Direction string `json:"direction,omitempty"`
	Bytes     uint64 `json:"bytes"`
	Packets   uint64 `json:"packets"`
	Community string `json:"community_id,omitempty"`
}

type observer struct {
	Type string       `json:"type"`
	IP   []netip.Addr `json:"ip,omitempty"`
}

type related struct {
	IP []netip.Addr `json:"ip,omitempty"`
}

type rule struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Ruleset   string `json:"ruleset"`
	Category  string `json:"category,omitempty"`
	Reference string `json:"reference,omitempty"`
}

// threat has the best indicator flat, as Kibana's Lens does not aggregate over
// nested fields, and all of them nested.
type threat struct {
	Feed        feed         `json:"feed,omitzero"`
	Indicator   indicator    `json:"indicator"`
	Enrichments []enrichment `json:"enrichments"`
}

type feed struct {
	Name string `json:"name,omitempty"`
}

type indicator struct {
	Type        string     `json:"type,omitempty"`
	IP          netip.Addr `json:"ip,omitzero"` // absent for a network
	Name        string     `json:"name,omitempty"`
	Provider    string     `json:"provider,omitempty"`
	Description string     `json:"description,omitempty"`
	Confidence  string     `json:"confidence"`
	Reference   string     `json:"reference,omitempty"`
	FirstSeen   time.Time  `json:"first_seen,omitzero"`
	LastSeen    time.Time  `json:"last_seen,omitzero"`
}

type enrichment struct {
	Indicator indicator `json:"indicator"`
	Matched   match     `json:"matched"`
}

type match struct {
	Atomic   string    `json:"atomic,omitempty"`
	Field    string    `json:"field,omitempty"`
	ID       string    `json:"id"`
	Index    string    `json:"index,omitempty"`
	Type     string    `json:"type"`
	Occurred time.Time `json:"occurred,omitzero"`
}

type own struct {
	Kind       string     `json:"kind,omitempty"`
	Severity   string     `json:"severity"`
	Direction  string     `json:"direction,omitempty"`
	State      string     `json:"state,omitempty"`
	Category   string     `json:"category,omitempty"`
	Feed       string     `json:"feed,omitempty"`
	IOC        string     `json:"ioc,omitempty"`
	Series     string     `json:"series,omitempty"`
	Count      uint64     `json:"count"`
	Sources    int        `json:"sources,omitempty"`
	Targets    int        `json:"targets,omitempty"`
	Indicators int        `json:"indicators"` // how many there are, beyond those under threat.enrichments too
	Matched    string     `json:"matched,omitempty"`
	Local      netip.Addr `json:"local,omitzero"`
	Remote     netip.Addr `json:"remote,omitzero"`
	First      time.Time  `json:"first,omitzero"`
	Last       time.Time  `json:"last,omitzero"`
	ICMP       *icmp      `json:"icmp,omitempty"`
	Exporter   exporter   `json:"exporter"`
}

type icmp struct {
	Type int `json:"type"`
	Code int `json:"code"`
}

type exporter struct {
	Domain   uint32 `json:"observation_domain"`
	Sampling uint32 `json:"sampling_rate"`
}

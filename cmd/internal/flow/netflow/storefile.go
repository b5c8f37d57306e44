package netflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// A record of the store's file is the JSON of one exporter. Its bytes are trusted no
// more than a datagram's: templates go through the same checks and the same bounds.

type fileExporter struct {
	Addr    netip.Addr   `json:"addr"`
	Port    uint16       `json:"port,omitempty"`
	Domains []fileDomain `json:"domains"`
	Rank    standing     `json:"rank,omitempty"`
	Saved   int64        `json:"saved,omitempty"` // Unix seconds
}

type fileDomain struct {
	Version   uint8          `json:"version"`
	ID        uint32         `json:"id"`
	Templates []fileTemplate `json:"templates,omitempty"`
	Sampling  uint32         `json:"sampling,omitempty"` // of files before scopes were kept
	Samplers  []fileSampler  `json:"samplers,omitempty"`
	Data      bool           `json:"data,omitempty"`
	Started   uint64         `json:"started,omitempty"`
	Boot      uint32         `json:"boot,omitempty"` // ms modulo 2^32
}

type fileTemplate struct {
	Options bool   `json:"options,omitempty"`
	Wire    []byte `json:"wire"`
}

type fileSampler struct {
	Scope scope   `json:"scope,omitempty"`
	ID    uint64  `json:"id"`
	Rate  uint32  `json:"rate,omitempty"`
	Of    *uint64 `json:"of,omitempty"` // the sampler that has the rate
}

func encodeExporter(key exporterKey, domains []storedDomain, rank standing, saved int64) ([]byte, error) {
	fe := fileExporter{Addr: key.addr.IP(), Port: key.port, Rank: rank, Saved: saved}
	for i := range domains {
		fe.Domains = append(fe.Domains, domains[i].file())
	}
	return json.Marshal(fe)
}

func (d *storedDomain) file() fileDomain {
	fd := fileDomain{
		Version: d.key.version.number(), ID: d.key.id,
		Started: d.sampling.started, Data: d.sampling.data, Boot: d.boot,
	}
	for _, t := range d.templates {
		fd.Templates = append(fd.Templates, fileTemplate{t.options, t.wire})
	}
	for _, r := range d.sampling.rates {
		s := fileSampler{Scope: r.scope, ID: r.id, Rate: r.rate}
		if r.selector {
			s.Of = &r.of
		}
		fd.Samplers = append(fd.Samplers, s)
	}
	return fd
}

func (fe *fileExporter) stored() (key exporterKey, domains []storedDomain, err error) {
	key = exporterKey{flow.AddrFrom(fe.Addr), fe.Port}
	if fe.Rank >= numRanks {
		return key, nil, fmt.Errorf("exporter %s: unknown rank %d", fe.Addr, fe.Rank)
	}
	for _, fd := range fe.Domains {
		d, err := fd.domain()
		if err != nil {
			return key, nil, fmt.Errorf("exporter %s: %w", fe.Addr, err)
		}
		domains = append(domains, d)
	}
	return key, domains, nil
}

func (fd *fileDomain) domain() (storedDomain, error) {
	d := storedDomain{key: domainKey{id: fd.ID}, boot: fd.Boot}
	switch fd.Version {
	case 9:
		d.key.version = v9
	case 10:
		d.key.version = ipfix
	default:
		return d, fmt.Errorf("domain %d: unknown version %d", fd.ID, fd.Version)
	}
	if len(fd.Samplers) > maxSamplers {
		return d, fmt.Errorf("domain %d: too many samplers", fd.ID)
	}
	for _, ft := range fd.Templates {
		t, ok := parseTemplate(d.key.version, ft.Options, ft.Wire)
		if !ok {
			return d, fmt.Errorf("domain %d: malformed template", fd.ID)
		}
		d.templates = append(d.templates, t)
	}
	d.sampling.started, d.sampling.data = fd.Started, fd.Data
	if fd.Sampling > 0 {
		d.sampling.set(rate{scope: scopeAll, rate: fd.Sampling})
	}
	for _, s := range fd.Samplers {
		r := rate{scope: s.Scope, id: s.ID, rate: s.Rate}
		if s.Of != nil {
			r.selector, r.rate, r.of = true, 0, *s.Of
		}
		d.sampling.set(r)
	}
	return d, nil
}

// The first version of the file was one line with the checksum of what follows, then
// JSON of all exporters.
const oldHeader = "flowhound-templates 1 "

func decodeOld(b []byte) (list []fileExporter, ok bool) {
	sum, body, found := bytes.Cut(bytes.TrimPrefix(b, []byte(oldHeader)), []byte("\n"))
	if !found || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))) {
		return nil, false
	}
	return list, json.Unmarshal(body, &list) == nil
}

package netflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// The file is one line with its version and the checksum of what follows, then
// JSON. Its bytes are trusted no more than a datagram's: templates go through the
// same checks and the same bounds.

const storeHeader = "flowhound-templates 1 %08x\n"

var storeHeaderLen = len(fmt.Sprintf(storeHeader, 0))

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type fileExporter struct {
	Addr    netip.Addr   `json:"addr"`
	Port    uint16       `json:"port,omitempty"`
	Domains []fileDomain `json:"domains"`
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

func encodeStore(exporters []storedExporter) ([]byte, error) {
	list := make([]fileExporter, 0, len(exporters))
	for _, e := range exporters {
		fe := fileExporter{Addr: e.key.addr.IP(), Port: e.key.port}
		for _, d := range e.domains {
			fe.Domains = append(fe.Domains, d.file())
		}
		list = append(list, fe)
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return sealStore(body), nil
}

// sealStore puts the header before the JSON.
func sealStore(body []byte) []byte {
	return append(fmt.Appendf(nil, storeHeader, crc32.Checksum(body, castagnoli)), body...)
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

func decodeStore(b []byte) (lru[exporterKey, []storedDomain], error) {
	var exporters lru[exporterKey, []storedDomain]
	if len(b) < storeHeaderLen {
		return exporters, errors.New("file is too short")
	}
	body := b[storeHeaderLen:]
	if want := fmt.Sprintf(storeHeader, crc32.Checksum(body, castagnoli)); string(b[:storeHeaderLen]) != want {
		return exporters, errors.New("wrong version or checksum")
	}
	var list []fileExporter
	if err := json.Unmarshal(body, &list); err != nil {
		return exporters, err
	}
	if len(list) > maxStoredExporters {
		return exporters, errors.New("too many exporters")
	}
	for _, fe := range list {
		key := exporterKey{flow.AddrFrom(fe.Addr), fe.Port}
		var domains []storedDomain
		for _, fd := range fe.Domains {
			d, err := fd.domain()
			if err != nil {
				return lru[exporterKey, []storedDomain]{}, fmt.Errorf("exporter %s: %w", fe.Addr, err)
			}
			domains = append(domains, d)
		}
		exporters.remove(key)
		exporters.put(key, domains)
	}
	return exporters, nil
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

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStoreFile+1))
	if err == nil && len(b) > maxStoreFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxStoreFile)
	}
	return b, err
}

// replaceFile writes a file beside path and moves it into place.
func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = io.Copy(f, bytes.NewReader(content))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

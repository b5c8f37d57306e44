package geo

import (
	"bufio"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/geo/table"
	"github.com/flowhound/flowhound/plugin/text"
)

// Data is what a file says of addresses: countries, autonomous systems, or both.
type Data struct {
	Countries []table.Range[Country]
	Systems   []table.Range[uint32]
	Owners    map[uint32]string // by the number of the autonomous system
	Date      string            // of the data, where the file tells it: 2026-06-01
}

// maxRanges bounds a database: the largest that is published has some 5 million
// networks.
const maxRanges = 16 << 20

// maxOwner is the longest name of an owner, in bytes.
const maxOwner = 128

var errTooMany = fmt.Errorf("more than %d networks: no database of countries is as large", maxRanges)

// columns says which field of a line holds what; -1: none does.
type columns struct{ first, last, network, country, system, owner int }

// names are what headers call the columns.
var names = map[string]func(*columns) *int{
	"network": func(c *columns) *int { return &c.network }, "cidr": func(c *columns) *int { return &c.network },
	"start_ip": func(c *columns) *int { return &c.first }, "ip_range_start": func(c *columns) *int { return &c.first }, "ip_start": func(c *columns) *int { return &c.first }, "ip_from": func(c *columns) *int { return &c.first },
	"end_ip": func(c *columns) *int { return &c.last }, "ip_range_end": func(c *columns) *int { return &c.last }, "ip_end": func(c *columns) *int { return &c.last }, "ip_to": func(c *columns) *int { return &c.last },
	"country_code": func(c *columns) *int { return &c.country }, "country_iso_code": func(c *columns) *int { return &c.country }, "cc": func(c *columns) *int { return &c.country }, "country": func(c *columns) *int { return &c.country },
	"asn": func(c *columns) *int { return &c.system }, "as_number": func(c *columns) *int { return &c.system }, "autonomous_system_number": func(c *columns) *int { return &c.system },
	"as_name": func(c *columns) *int { return &c.owner }, "as_organization": func(c *columns) *int { return &c.owner }, "as_org": func(c *columns) *int { return &c.owner }, "autonomous_system_organization": func(c *columns) *int { return &c.owner },
}

// header returns the columns that a first line names; ok is false where it holds data.
func header(line []string) (c columns, ok bool) {
	c = columns{-1, -1, -1, -1, -1, -1}
	for i, name := range line {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if field, known := names[name]; known {
			if at := field(&c); *at < 0 || name == "country_code" || name == "country_iso_code" {
				*at = i // beside country, which is a name then
			}
		}
	}
	return c, c.network >= 0 || c.first >= 0 && c.last >= 0
}

// guess returns the columns of a file without a header, by its first line of data:
// what DB-IP, tor-geoipdb, IP2Location and the packages of ip-location-db publish.
func guess(line []string) (c columns, err error) {
	c = columns{-1, -1, -1, -1, -1, -1}
	at := 2
	if len(line) > 1 && strings.Contains(line[0], "/") {
		c.network, at = 0, 1
	} else {
		c.first, c.last = 0, 1
	}
	switch {
	case len(line) <= at:
		return c, errors.New("no column holds a country or the number of an autonomous system")
	case systemNumber(line[at]) > 0 || line[at] == "0":
		c.system = at
		if len(line) > at+1 {
			c.owner = at + 1
		}
	case len(line) >= at+6 && continents[line[at]] && len(line[at+1]) == 2: // DB-IP's cities
		c.country = at + 1
	default:
		c.country = at
	}
	return c, nil
}

// continents are the codes that stand before a country's; some are countries', too.
var continents = map[string]bool{"AF": true, "AN": true, "AS": true, "EU": true, "NA": true, "OC": true, "SA": true, "ZZ": true}

// systemNumber reads 15169, AS15169 or ASN15169; 0 is none.
func systemNumber(s string) uint32 {
	s = strings.ToUpper(strings.TrimSpace(s))
	s = strings.TrimPrefix(strings.TrimPrefix(s, "AS"), "N")
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// ReadCSV reads lines of a range or a network, and a country or an autonomous system,
// with or without a header. Lines that start with # are comments. A line that cannot
// be read is an error that names it: half a database is worse than the old one.
func ReadCSV(in io.Reader) (*Data, error) {
	r := csv.NewReader(bufio.NewReaderSize(in, 64<<10))
	r.Comment, r.ReuseRecord, r.FieldsPerRecord, r.LazyQuotes = '#', true, -1, true
	d := &Data{Owners: map[uint32]string{}}
	var c columns
	for n := 0; ; n++ {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		at, _ := r.FieldPos(0)
		if n == 0 {
			named, ok := header(line)
			if c = named; ok {
				if c.country < 0 && c.system < 0 && slices.Contains(line, "geoname_id") {
					return nil, errors.New("line 1: its countries are numbers of another file (geoname_id): take the .mmdb of the same database")
				}
				if c.country < 0 && c.system < 0 {
					return nil, errors.New("line 1: no column is called country_code, country or asn")
				}
				continue
			}
			if c, err = guess(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", at, err)
			}
		}
		if n > maxRanges {
			return nil, errTooMany
		}
		if err := d.add(line, &c); err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
	}
	if len(d.Countries)+len(d.Systems) == 0 {
		return nil, errors.New("it holds no country and no autonomous system")
	}
	return d, nil
}

// add adds what one line says.
func (d *Data) add(line []string, c *columns) error {
	if len(line) <= max(c.first, c.last, c.network, c.country, c.system) {
		return fmt.Errorf("%d columns are too few", len(line))
	}
	first, last, err := span(line, c)
	if err != nil {
		return err
	}
	if c.country >= 0 {
		code := line[c.country]
		if country := Published(code); country != Unknown {
			d.Countries = append(d.Countries, table.Range[Country]{First: first, Last: last, Value: country})
		} else if code = strings.TrimSpace(code); len(code) > 2 {
			return fmt.Errorf("%.40q is not a country code of two letters", code)
		}
	}
	if c.system >= 0 {
		if as := systemNumber(line[c.system]); as != 0 {
			d.Systems = append(d.Systems, table.Range[uint32]{First: first, Last: last, Value: as})
			if c.owner >= 0 && c.owner < len(line) {
				d.own(as, line[c.owner])
			}
		}
	}
	return nil
}

// own notes the name of an owner, the first one where there are several.
func (d *Data) own(as uint32, name string) {
	if d.Owners == nil {
		d.Owners = map[uint32]string{}
	}
	if _, known := d.Owners[as]; !known && name != "" {
		d.Owners[as] = text.Clean(name, maxOwner)
	}
}

func span(line []string, c *columns) (first, last netip.Addr, err error) {
	if c.network >= 0 {
		p, err := netip.ParsePrefix(strings.TrimSpace(line[c.network]))
		if err != nil {
			a, err := netip.ParseAddr(strings.TrimSpace(line[c.network]))
			if err != nil {
				return first, last, fmt.Errorf("%.60q is not a network", line[c.network])
			}
			return a, a, nil
		}
		first, last = bounds(p)
		return first, last, nil
	}
	if first, err = address(line[c.first]); err == nil {
		last, err = address(line[c.last])
	}
	if err != nil {
		return first, last, err
	}
	if !strings.ContainsAny(line[c.first], ":.") && first.Is4() && last.Is6() && !last.Is4In6() { // IPv6 as numbers, from 0
		b := first.As4()
		first = netip.AddrFrom16([16]byte{12: b[0], 13: b[1], 14: b[2], 15: b[3]})
	}
	if first.Is4() != last.Is4() || last.Less(first) {
		return first, last, fmt.Errorf("%s to %s is not a range", first, last)
	}
	return first, last, nil
}

// address reads an address, also one that is written as a number.
func address(s string) (netip.Addr, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n)))), nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return a.Unmap(), nil
	}
	if n, ok := new(big.Int).SetString(s, 10); ok && len(s) < 40 && n.Sign() > 0 && n.BitLen() <= 128 {
		return netip.AddrFrom16([16]byte(n.FillBytes(make([]byte, 16)))).Unmap(), nil
	}
	return netip.Addr{}, fmt.Errorf("%.60q is not an address", s)
}

// bounds returns the first and the last address of a network.
func bounds(p netip.Prefix) (first, last netip.Addr) {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ = netip.AddrFromSlice(b)
	return p.Addr(), last
}

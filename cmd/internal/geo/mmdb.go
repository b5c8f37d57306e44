package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// record is what databases in MaxMind's form have of a network, by the names of
// MaxMind and DB-IP first, then those of IPinfo and others.
type record struct {
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Registered struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"registered_country"`
	AS    uint32 `maxminddb:"autonomous_system_number"`
	Owner string `maxminddb:"autonomous_system_organization"`
}

type flat struct {
	Code    string `maxminddb:"country_code"`
	Country string `maxminddb:"country"`
	AS      string `maxminddb:"asn"`
	Name    string `maxminddb:"as_name"`
}

// said is what one record means.
type said struct {
	country Country
	as      uint32
}

// ReadMMDB reads a database in MaxMind's form. Networks share records, so each is
// decoded once.
func ReadMMDB(content []byte) (d *Data, err error) {
	defer func() { // the library checks offsets as it goes, but what is damaged comes from outside
		if r := recover(); r != nil {
			d, err = nil, fmt.Errorf("damaged: %v", r)
		}
	}()
	db, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, err
	}
	d = &Data{Owners: map[uint32]string{}, Date: time.Unix(int64(db.Metadata.BuildEpoch), 0).UTC().Format(time.DateOnly)}
	known := map[uintptr]said{}
	n := 0
	for result := range db.Networks() {
		if n++; n > maxRanges {
			return nil, errTooMany
		}
		if err := result.Err(); err != nil {
			return nil, err
		}
		s, ok := known[result.Offset()]
		if !ok {
			if s, err = d.decode(&result); err != nil {
				return nil, err
			}
			known[result.Offset()] = s
		}
		first, last := bounds(result.Prefix())
		if s.country != Unknown {
			d.put(first, last, s.country)
		}
		if s.as != 0 {
			d.Systems = append(d.Systems, table.Range[uint32]{First: first, Last: last, Value: s.as})
		}
	}
	if len(d.Countries)+len(d.Systems) == 0 {
		return nil, fmt.Errorf("%s holds no country and no autonomous system", db.Metadata.DatabaseType)
	}
	return d, nil
}

// put adds a range, to the last one where that ends before it with the same country: a
// third is left of MaxMind's. What no database may speak of stays by itself.
func (d *Data) put(first, last netip.Addr, c Country) {
	if n := len(d.Countries); n > 0 {
		before := &d.Countries[n-1]
		if before.Value == c && before.Last.Next() == first && !isSpecial(before.Last) && !isSpecial(first) {
			before.Last = last
			return
		}
	}
	d.Countries = append(d.Countries, table.Range[Country]{First: first, Last: last, Value: c})
}

// decode reads one record in either form.
func (d *Data) decode(result *maxminddb.Result) (said, error) {
	var r record
	var mismatch maxminddb.UnmarshalTypeError
	err := result.Decode(&r)
	if err == nil && (r.Country.Code != "" || r.Registered.Code != "" || r.AS != 0) {
		code := r.Country.Code
		if code == "" {
			code = r.Registered.Code
		}
		if r.AS != 0 {
			d.own(r.AS, r.Owner)
		}
		return said{Published(code), r.AS}, nil
	}
	if err != nil && !errors.As(err, &mismatch) { // country as a text, in the other form
		return said{}, err
	}
	var f flat
	if err := result.Decode(&f); err != nil && !errors.As(err, &mismatch) {
		return said{}, err
	}
	if f.Code == "" {
		f.Code = f.Country
	}
	as := systemNumber(f.AS)
	if as != 0 {
		d.own(as, f.Name)
	}
	return said{Published(f.Code), as}, nil
}

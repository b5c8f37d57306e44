package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"strconv"
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
		for _, what := range zeekForms(&i) {
			line = appendZeek(line[:0], what, &i)
			listed.add(line)
			w.Write(append(line, "F\n"...))
		}
		s.Written++
	}
	if o.former == nil {
		return nil
	}
	return listed.removeOthers(w, o.former)
}

// zeekForms returns what Zeek is to look for: one text, and two for a URL with a
// port. Of a request for h:8080/x, Zeek's build_url makes h:8080/x when it has the
// port from the connection alone, and h:8080:8080/x when the Host header names it too.
func zeekForms(i *intel.Indicator) []string {
	switch kindOf(i) {
	case Address:
		return []string{i.Prefix.Addr().String()}
	case Prefix:
		return []string{i.Prefix.String()}
	case Domain:
		return []string{i.Domain}
	}
	u, _ := intel.SplitURL(i.URL) // unsafe has looked at it before
	host, target := u.Host, u.Rest
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	target, _, _ = strings.Cut(target, "#") // stays with the browser
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if u.Port == 0 || u.Port == 80 && u.Scheme == "http" {
		return []string{host + target}
	}
	port := ":" + strconv.Itoa(int(u.Port))
	return []string{host + port + target, host + port + port + target}
}

// appendZeek appends a line up to its last field. A domain is compared as a
// whole, a URL without its scheme.
func appendZeek(b []byte, what string, i *intel.Indicator) []byte {
	kind := map[Kind]string{Address: "ADDR", Prefix: "SUBNET", Domain: "DOMAIN", URL: "URL"}[kindOf(i)]
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

// zeekItems are hashes of what Zeek tells items apart by: indicator in lower case, type
// and source. So a removal of h/A must not follow where h/a is listed.
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
	what := bytes.IndexByte(line, '\t')
	var h maphash.Hash
	h.SetSeed(z.seed)
	_, _ = h.Write(bytes.ToLower(line[:max(what, 0)]))
	_, _ = h.Write(line[max(what, 0):end])
	return h.Sum64()
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
		return fmt.Errorf("read the previous export: %w", err)
	}
	return nil
}

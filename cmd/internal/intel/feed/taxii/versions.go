package taxii

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// maxHeld bounds what is held of a document's indicator objects until its end, in bytes:
// some 500,000 objects. A TAXII server's collections have no such bound.
const maxHeld = 256 << 20

var errHeld = fmt.Errorf("the indicator objects of one document take more than %d MiB", maxHeld>>20)

// perVersion is what a version takes besides its texts, in bytes, its place in the map
// included.
const perVersion = 300

// version is what makes indicators of an object.
type version struct {
	name, tags, ref, pattern string
	first, modified, expires time.Time
	why                      ingest.Reason // it makes none; pattern is then what is told of it
	category                 intel.Category
	score                    uint8
}

// newVersion keeps of an object what makes indicators.
func newVersion(x *object, o *ingest.Options) version {
	base, why := x.base(o.Template)
	v := version{
		name: base.Name, tags: base.Tags, ref: base.Ref, pattern: string(x.Pattern),
		first: base.FirstSeen, modified: ingest.When(x.Modified), expires: base.Expires, category: base.Category, score: base.Score, why: why,
	}
	if why != "" {
		v.pattern = x.ValidUntil
	} else if v.why = x.useless(o.Now, base); v.why == "" && len(v.pattern) > maxPattern {
		v.why = ingest.Unsupported
	}
	if v.why != "" {
		v.name, v.tags, v.ref = "", "", ""
		v.pattern = ingest.Text(v.pattern, ingest.MaxName)
	}
	return v
}

// base is what all that the pattern names has in common.
func (v *version) base(template intel.Indicator) intel.Indicator {
	i := template
	i.Name, i.Tags, i.Ref, i.Category, i.Score = v.name, v.tags, v.ref, v.category, v.score
	i.FirstSeen, i.LastSeen, i.Expires = v.first, v.modified, v.expires
	return i
}

// versions are the newest versions of the indicator objects of a document (STIX 2.1,
// section 3.6): an older one must neither stay nor come back.
type versions struct {
	seeds [2]maphash.Seed
	at    map[[2]uint64]int32 // by the hash of an id
	all   []version           // in the order of their first coming
	tags  map[string]string   // each once: many objects have the same
	bytes int
}

func newVersions() *versions {
	return &versions{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, at: map[[2]uint64]int32{}, tags: map[string]string{}}
}

// meet takes a version of the object with an id.
func (h *versions) meet(id string, v version) error {
	if old, known := h.tags[v.tags]; known {
		v.tags = old
	} else {
		h.tags[v.tags] = v.tags
		h.bytes += 2 * len(v.tags)
	}
	h.bytes += len(v.name) + len(v.ref) + len(v.pattern)
	key := [2]uint64{maphash.String(h.seeds[0], id), maphash.String(h.seeds[1], id)}
	if at, known := h.at[key]; !known {
		h.at[key] = int32(len(h.all)) //nolint:gosec // fewer than maxHeld
		h.all = append(h.all, v)
		h.bytes += perVersion
	} else if !v.modified.Before(h.all[at].modified) {
		h.all[at] = v
	}
	if h.bytes > maxHeld {
		return errHeld
	}
	return nil
}

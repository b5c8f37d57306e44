package journal

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/hit/hitpb"
)

// Record is one thing that consumers have to be told: a hit, or a line about
// flowhound itself. It is not changed once it was appended.
type Record struct {
	Seq   uint64    // 1, 2, 3, ... in the order of appending
	At    time.Time // when it was first accepted, to the nanosecond
	Tries uint32    // failed attempts of its one consumer
	To    []string  // the names of the cursors that want it
	// Said is what the fold table changed by this hit: with the hit in one record,
	// neither is durable without the other. Empty: nothing.
	Said []byte

	Hit    *hit.Hit
	Status *hit.Status
	// Raw is what was read where it makes neither: the record is whole, and of
	// another version.
	Raw []byte

	payload []byte // as on disk, until it is there
	size    int64  // of that, with the header
	evicted bool   // from memory, before it was on disk
}

// What a body is.
const (
	isJSON   = 1 // a hit as JSON, of earlier versions
	isStatus = 2 // a status as JSON
	isHit    = 3 // a hit as package hitpb writes it: in a third of the time and half of the bytes
)

var errRecord = errors.New("journal: a record that cannot be read")

// plainStatus is a Status with the JSON of its fields.
type plainStatus hit.Status

// encode makes the payload: kind 1 | at 8 | tries 4 | number of names 1, each with
// its length 1 | length of said 4, said | the hit or status.
func (r *Record) encode() error {
	size := 18 + len(r.Said) + 512 // most hits are shorter
	for _, name := range r.To {
		size += 1 + len(name)
	}
	b := append(make([]byte, 0, size), isHit)
	b = le.AppendUint64(b, uint64(r.At.UnixNano()))
	b = le.AppendUint32(b, r.Tries)
	b = append(b, byte(len(r.To)))
	for _, name := range r.To {
		b = append(append(b, byte(len(name))), name...)
	}
	b = le.AppendUint32(b, uint32(len(r.Said)))
	b = append(b, r.Said...)
	var err error
	if r.Hit != nil {
		b, err = hitpb.Append(b, r.Hit)
	} else {
		b[0] = isStatus
		var text []byte
		text, err = json.Marshal((*plainStatus)(r.Status))
		b = append(b, text...)
	}
	if err != nil {
		return err
	}
	if len(b) > maxPayload || len(r.To) > 255 || slices.ContainsFunc(r.To, func(s string) bool { return len(s) > 255 }) {
		return errRecord
	}
	r.payload, r.size = b, int64(headerSize+len(b))
	return nil
}

// decode reads all of a payload but its body, which it returns.
func (r *Record) decode(b []byte) (kind byte, body []byte, err error) {
	if len(b) < 14 {
		return 0, nil, errRecord
	}
	kind = b[0]
	r.At, r.Tries = time.Unix(0, int64(le.Uint64(b[1:]))), le.Uint32(b[9:])
	n := int(b[13])
	b = b[14:]
	r.To = make([]string, 0, n)
	for range n {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return 0, nil, errRecord
		}
		end := 1 + int(b[0])
		r.To = append(r.To, string(b[1:end]))
		b = b[end:]
	}
	if len(b) < 4 || uint64(len(b)-4) < uint64(le.Uint32(b)) {
		return 0, nil, errRecord
	}
	end := 4 + int(le.Uint32(b))
	r.Said, body = b[4:end:end], b[end:]
	return kind, body, nil
}

// fill makes the hit or status of a body.
func (r *Record) fill(kind byte, body []byte) {
	var err error
	switch kind {
	case isHit:
		r.Hit, err = hitpb.Parse(body)
	case isJSON:
		r.Hit = new(hit.Hit)
		if err = r.Hit.UnmarshalJSON(body); err != nil {
			r.Hit = nil
		}
	case isStatus:
		r.Status = new(hit.Status)
		if err = json.Unmarshal(body, (*plainStatus)(r.Status)); err != nil {
			r.Status = nil
		}
	default:
		err = errRecord
	}
	if err != nil {
		r.Raw = slices.Clone(body)
	}
}

// Size returns how many bytes the record takes on disk.
func (r *Record) Size() int { return int(r.size) }

// wants reports whether the record is for the cursor of that name.
func (r *Record) wants(name string) bool { return slices.Contains(r.To, name) }

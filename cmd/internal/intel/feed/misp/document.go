package misp

import (
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const (
	// maxPending bounds the attributes of one event, which are held until the
	// event ends: its tags may stand behind them.
	maxPending = 500_000
	// maxText bounds a value or comment that is held, in bytes.
	maxText = 4 << 10
)

// document walks through MISP's JSON: {"Event": {...}}, an event by itself, arrays
// of them, and {"response": [...]}.
type document struct {
	in   *ingest.JSON
	each func(*event) // gets each event that was read to its end
}

// read reads top-level values until the end.
func (d *document) read() error {
	return d.in.Documents(d.object, func() error { return d.in.Items(d.member) }, ErrNoEvents)
}

// member reads an element of an array that may hold events.
func (d *document) member() error { return d.in.Member(d.object, func(string) {}) }

// object reads the rest of an object that holds an event, or is one.
func (d *document) object() error {
	e := newEvent()
	err := d.in.Fields(func(key string) error {
		switch key {
		case "Event":
			inner := newEvent()
			isObject, err := d.in.Object(func(key string) error { return inner.field(d.in, key) })
			if err == nil && isObject {
				d.each(inner)
			}
			return err
		case "response":
			_, err := d.in.Array(d.member)
			return err
		}
		return e.field(d.in, key)
	})
	if err == nil && e.found {
		d.each(e)
	}
	return err
}

// event is what is wanted of one event.
type event struct {
	uuid, info, date, timestamp, threat string
	tags                                []tag
	attributes                          []attribute // those that count
	leftOut                             ingest.Drops
	link                                string // the first link to a report
	found                               bool   // it has attributes, objects or a uuid with an info
}

// tag is a tag of an event or attribute, or a galaxy cluster's name.
type tag struct {
	Name ingest.Scalar `json:"name"`
}

func newEvent() *event { return &event{leftOut: ingest.Drops{}} }

// field reads one field of an event.
func (e *event) field(in *ingest.JSON, key string) error {
	switch key {
	case "uuid":
		return in.Text(&e.uuid)
	case "info":
		e.found = true
		return in.Text(&e.info)
	case "date":
		return in.Text(&e.date)
	case "timestamp":
		return scalar(in, &e.timestamp)
	case "threat_level_id":
		return scalar(in, &e.threat)
	case "Tag":
		_, err := in.Array(func() error {
			var t tag
			ok, err := in.Decode(&t)
			if ok && len(e.tags) < maxTags {
				e.tags = append(e.tags, t)
			}
			return err
		})
		return err
	case "Attribute":
		e.found = true
		return e.readAttributes(in)
	case "Object":
		e.found = true
		_, err := in.Array(func() error {
			_, err := in.Object(func(key string) error { return e.objectField(in, key) })
			return err
		})
		return err
	}
	return in.Skip()
}

// maxTags bounds the tags of one event.
const maxTags = 1000

// objectField reads one field of an object within an event. Of a deleted object
// MISP marks the attributes deleted, too.
func (e *event) objectField(in *ingest.JSON, key string) error {
	if key == "Attribute" {
		return e.readAttributes(in)
	}
	return in.Skip()
}

func (e *event) readAttributes(in *ingest.JSON) error {
	_, err := in.Array(func() error {
		var a attribute
		ok, err := in.Decode(&a)
		switch {
		case err != nil:
			return err
		case !ok && a.Value == "", len(a.Value) > maxText, len(a.Comment) > maxText:
			e.leftOut.Add(ingest.Unreadable, 0, string(a.Value))
		default:
			e.add(a)
		}
		return nil
	})
	return err
}

// add keeps an attribute that counts, and notes why another does not.
func (e *event) add(a attribute) {
	why := a.useless()
	if why == "" && len(e.attributes) >= maxPending {
		why = ingest.OverLimit
	}
	if why == "" {
		e.attributes = append(e.attributes, a)
		return
	}
	if e.link == "" && a.Type == "link" && !isTrue(a.Deleted) {
		e.link = ingest.Link(string(a.Value))
	}
	e.leftOut.Add(why, 0, string(a.Value))
}

// scalar reads a string or number.
func scalar(in *ingest.JSON, s *string) error {
	var v ingest.Scalar
	_, err := in.Decode(&v)
	*s = string(v)
	return err
}

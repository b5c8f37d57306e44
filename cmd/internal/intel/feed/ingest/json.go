package ingest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxValue bounds one value that is read into memory, in bytes, so that a string
// without end cannot fill it.
const maxValue = 4 << 20

// ErrValueTooLong is returned for a document with a value that no feed needs.
var ErrValueTooLong = errors.New("a single value is longer than any feed needs")

// JSON reads a document, or several one after the other, piece by piece: it
// holds no more than one wanted value in memory, and reads over what is not
// wanted. What is nested deeper than 1,000 is replaced by 0. An error is final: what was read until
// then is part of a damaged document.
type JSON struct {
	dec *json.Decoder
	in  meter
}

// NewJSON returns a JSON that reads from r, after Sniff has looked at it.
func NewJSON(r *bufio.Reader) *JSON {
	j := &JSON{in: meter{r: &shallow{r: r}}}
	j.dec = json.NewDecoder(&j.in)
	return j
}

// meter stops a reader that has given too much since the last whole value: what
// json.Decoder reads ahead for one value it holds in memory.
type meter struct {
	r     io.Reader
	given int64
	limit int64
}

func (m *meter) Read(b []byte) (int, error) {
	if m.given > m.limit {
		return 0, ErrValueTooLong
	}
	n, err := m.r.Read(b)
	m.given += int64(n)
	return n, err
}

// Token returns the next token: a json.Delim for a bracket, else a string, bool,
// float64 or nil.
func (j *JSON) Token() (json.Token, error) {
	j.in.limit = j.dec.InputOffset() + maxValue
	return j.dec.Token()
}

// More reports whether the object or array that is being read goes on.
func (j *JSON) More() bool {
	j.in.limit = j.dec.InputOffset() + maxValue
	return j.dec.More()
}

// Decode reads the next value into v. ok is false when the value is well formed
// but of another shape than v; what fitted is in v.
func (j *JSON) Decode(v any) (ok bool, err error) {
	j.in.limit = j.dec.InputOffset() + maxValue
	err = j.dec.Decode(v)
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) {
		return false, nil
	}
	return err == nil, err
}

// Struct reads the next value, of up to limit bytes, into v, a pointer to a struct: faster
// than field by field. kind is "" for an object, whose fields of another shape than v's
// stay as they are, else what the value is: array, string, number or bool. null is an empty
// object.
func (j *JSON) Struct(v any, limit int64) (kind string, err error) {
	j.in.limit = j.dec.InputOffset() + limit
	err = j.dec.Decode(v)
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) {
		if shape.Field == "" {
			kind = shape.Value
		}
		return kind, nil
	}
	return "", err
}

// Text reads the next value into s when it is a string, and else reads over it.
func (j *JSON) Text(s *string) error {
	_, err := j.Decode(s)
	return err
}

// Fields reads the rest of an object whose bracket was read. each is called for
// every key and must read the value.
func (j *JSON) Fields(each func(key string) error) error {
	for j.More() {
		token, err := j.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // the decoder allows nothing else here
		if err := each(key); err != nil {
			return err
		}
	}
	_, err := j.Token()
	return err
}

// Documents reads top-level values until the end: object reads the rest of one, array
// that of the other. A bare value is the error none, wrapped. Errors are explained.
func (j *JSON) Documents(object, array func() error, none error) error {
	for {
		token, err := j.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			switch token {
			case json.Delim('{'):
				err = object()
			case json.Delim('['):
				err = array()
			default:
				err = fmt.Errorf("%w: it is a bare %T", none, token)
			}
		}
		if err != nil {
			return j.Explain(err)
		}
	}
}

// Member reads an element of an array that should hold objects: object reads the rest
// of one, other is told of anything else, in words.
func (j *JSON) Member(object func() error, other func(what string)) error {
	token, err := j.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return object()
	case json.Delim('['):
		other("array in an array")
		return j.SkipRest()
	}
	other(fmt.Sprint(token))
	return nil
}

// Items reads the rest of an array whose bracket was read. each is called for
// every element and must read it.
func (j *JSON) Items(each func() error) error {
	for j.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := j.Token()
	return err
}

// Array reads the next value when it is an array, calling each for every element,
// which must read it. It reads over any other value and reports that it was none.
func (j *JSON) Array(each func() error) (isArray bool, err error) {
	token, err := j.Token()
	if err != nil {
		return false, err
	}
	switch token {
	case json.Delim('['):
		return true, j.Items(each)
	case json.Delim('{'):
		return false, j.SkipRest()
	}
	return false, nil
}

// Object reads the next value when it is an object, calling each for every key,
// which must read the value. It reads over any other value and reports that it
// was none.
func (j *JSON) Object(each func(key string) error) (isObject bool, err error) {
	token, err := j.Token()
	if err != nil {
		return false, err
	}
	switch token {
	case json.Delim('{'):
		return true, j.Fields(each)
	case json.Delim('['):
		return false, j.SkipRest()
	}
	return false, nil
}

// Skip reads over the next value.
func (j *JSON) Skip() error {
	token, err := j.Token()
	if err != nil {
		return err
	}
	if token == json.Delim('{') || token == json.Delim('[') {
		return j.SkipRest()
	}
	return nil
}

// SkipRest reads over the rest of an object or array whose bracket was read.
func (j *JSON) SkipRest() error {
	for depth := 1; depth > 0; {
		token, err := j.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// End reports an error unless the document ends here.
func (j *JSON) End() error {
	switch _, err := j.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errors.New("more follows the end of the document")
}

// Explain says where a document is damaged or that it ended early, which wraps
// io.ErrUnexpectedEOF. It returns nil for nil.
func (j *JSON) Explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("JSON ended early, at byte %d: %w", j.dec.InputOffset(), io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("at byte %d: %w", j.dec.InputOffset(), err)
}

// Scalar is a string, or a number or truth value as it is written: feeds write
// the same field in both ways. null, objects and arrays are the empty Scalar.
type Scalar string

// UnmarshalJSON rejects nothing.
func (s *Scalar) UnmarshalJSON(b []byte) error {
	var text string
	switch {
	case json.Unmarshal(b, &text) == nil:
		*s = Scalar(text) // null gives ""
	case b[0] == '{' || b[0] == '[':
		*s = ""
	default:
		*s = Scalar(b)
	}
	return nil
}

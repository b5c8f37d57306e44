package otx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// meter stops a reader that has given too much since the last whole value: what
// json.Decoder reads ahead for one value it holds in memory.
type meter struct {
	r     io.Reader
	given int64
	limit int64
}

var errValueTooLong = fmt.Errorf("a single value is longer than %d MiB", maxValue>>20)

func (m *meter) Read(b []byte) (int, error) {
	if m.given > m.limit {
		return 0, errValueTooLong
	}
	n, err := m.r.Read(b)
	m.given += int64(n)
	return n, err
}

// token returns the next JSON token.
func (p *parser) token() (json.Token, error) {
	p.in.limit = p.dec.InputOffset() + maxValue
	return p.dec.Token()
}

// decode reads the next value into v. ok is false when the value is well formed
// but of another shape than v; what fitted is in v.
func (p *parser) decode(v any) (ok bool, err error) {
	p.in.limit = p.dec.InputOffset() + maxValue
	err = p.dec.Decode(v)
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) {
		return false, nil
	}
	return err == nil, err
}

// text reads the next value into s when it is a string.
func (p *parser) text(s *string) error {
	_, err := p.decode(s)
	return err
}

// skip reads over the next value.
func (p *parser) skip() error {
	token, err := p.token()
	if err != nil {
		return err
	}
	if token == json.Delim('{') || token == json.Delim('[') {
		return p.skipRest()
	}
	return nil
}

// maxDepth bounds how deep a value that nobody wants may be nested: the decoder
// remembers every open bracket.
const maxDepth = 100_000

// skipRest reads over the rest of an object or array whose bracket was read.
func (p *parser) skipRest() error {
	for depth := 1; depth > 0; {
		token, err := p.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested deeper than %d", maxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

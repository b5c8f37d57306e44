package plugin

import (
	"errors"
	"fmt"
	"time"
)

// Permanent says that a retry would not help: the target has rejected the hits
// themselves. They become dead letters. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

// IsPermanent reports whether err, or what it wraps, came from Permanent.
func IsPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// RetryAfter says that the hits should not be written again before d has passed. It returns nil for nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{Err: err, After: d}
}

// RetryAfterError is what RetryAfter returns.
type RetryAfterError struct {
	Err   error
	After time.Duration
}

func (r *RetryAfterError) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *RetryAfterError) Unwrap() error { return r.Err }

// Partial has the result for each hit of a batch, by its index: nil for
// delivered, else an error that is plain, Permanent or RetryAfter. It returns nil
// when all are nil.
func Partial(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return &PartialError{Errs: errs}
		}
	}
	return nil
}

// PartialError is what Partial returns: at least one of Errs is not nil.
type PartialError struct {
	Errs []error // as long as the batch
}

// Error tells how many hits failed, and the first reason.
func (p *PartialError) Error() string {
	n, first := 0, error(nil)
	for _, err := range p.Errs {
		if err == nil {
			continue
		}
		if n++; first == nil {
			first = err
		}
	}
	return fmt.Sprintf("%d of %d hits: %v", n, len(p.Errs), first)
}

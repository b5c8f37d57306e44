package feed

import (
	"errors"
	"fmt"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
)

// check rejects what cannot be read or fetched.
func (c Source) check() error {
	t, known := Find(c.Type)
	switch {
	case c.Name == "":
		return errors.New("a feed has no name")
	case !known && c.Type != TypeAllow:
		return fmt.Errorf("feed %s: unknown type %q (one of %s, %s)", c.Name, c.Type, strings.Join(Names(), ", "), TypeAllow)
	case c.Confidence < 0 || c.Confidence > 100:
		return fmt.Errorf("feed %s: confidence %d is not between 0 and 100", c.Name, c.Confidence)
	case t.Format != List && (c.Format != "" || c.Column != ""):
		return fmt.Errorf("feed %s: format and column are for lists, not for type %s", c.Name, c.Type)
	}
	switch list.Format(c.Format) {
	case "", list.Auto, list.Plain, list.CSV, list.Hosts:
	default:
		return fmt.Errorf("feed %s: unknown format %q (one of %s %s %s)", c.Name, c.Format, list.Plain, list.CSV, list.Hosts)
	}
	if f := list.Format(c.Format); c.Column != "" && f != "" && f != list.CSV && f != list.Auto {
		return fmt.Errorf("feed %s: column is for format %s, not %s", c.Name, list.CSV, c.Format)
	}
	if c.Path != "" {
		return nil
	}
	return c.checkFetched(&t)
}

func (c Source) checkFetched(t *Type) error {
	switch {
	case !sourceName().MatchString(c.Name):
		return fmt.Errorf("feed %q: its name cannot be that of a folder", c.Name)
	case c.Type == TypeAllow:
		return fmt.Errorf("allow list %s: no path: name the file to read", c.Name)
	case c.URL == "" && !t.HasURL():
		return fmt.Errorf("feed %s: no path or url: name the file to read, or where to fetch it", c.Name)
	case c.URL != "" && fetch.CheckURL(c.URL) != nil:
		return fmt.Errorf("feed %s: its url %w", c.Name, fetch.CheckURL(c.URL))
	case c.MaxShrink < 0 || c.MaxShrink > 100:
		return fmt.Errorf("feed %s: max_shrink %d is not between 1 and 100", c.Name, c.MaxShrink)
	}
	return nil
}

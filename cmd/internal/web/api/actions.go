package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
)

// Change is what an action would write to the configuration. Nothing is written before
// Write.
type Change struct {
	File, Text string
	Write      func() error
}

// Allow is an entry of an allow list.
type Allow struct {
	What, Why, By string
	At            time.Time
	Until         time.Time // zero: for good
}

// muteAsked is the body of POST /api/v1/mute.
type muteAsked struct {
	Src   string `json:"src"` // an address or network of one's own
	IOC   string `json:"ioc"` // a listed one
	Cat   string `json:"cat"`
	Until string `json:"until"` // a date, or RFC 3339
	Why   string `json:"why"`
	// Dry asks what would be written, and writes nothing.
	Dry bool `json:"dry"`
}

// allowAsked is the body of POST /api/v1/allow.
type allowAsked struct {
	What  string `json:"what"` // an address, network or name
	Until string `json:"until"`
	Why   string `json:"why"`
	Dry   bool   `json:"dry"`
}

// Written is what an action has written, or would.
type Written struct {
	File    string `json:"file"`
	Text    string `json:"text"`
	Written bool   `json:"written"`
}

func (a *API) mute(w http.ResponseWriter, r *http.Request) {
	var q muteAsked
	if !Decode(w, r, &q) {
		return
	}
	until, err := untilOf(q.Until)
	if err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	m := alert.Mute{Cat: q.Cat, Until: until, Why: q.Why, By: by(r), At: time.Now().UTC().Truncate(time.Second)}
	for text, into := range map[*string]*netip.Prefix{&q.Src: &m.Src, &q.IOC: &m.IOC} {
		if *text == "" {
			continue
		}
		if *into, err = networkOf(*text); err != nil {
			Refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	if a.d.Mute == nil {
		Refuse(w, http.StatusConflict, noConfig)
		return
	}
	change, err := a.d.Mute(m)
	a.carryOut(w, r, change, err, q.Dry, "mute add")
}

func (a *API) allow(w http.ResponseWriter, r *http.Request) {
	var q allowAsked
	if !Decode(w, r, &q) {
		return
	}
	entry := Allow{What: q.What, Why: q.Why, By: by(r), At: time.Now().UTC().Truncate(time.Second)}
	if q.Until != "" {
		var err error
		if entry.Until, err = untilOf(q.Until); err != nil {
			Refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	if a.d.Allow == nil {
		Refuse(w, http.StatusConflict, noConfig)
		return
	}
	change, err := a.d.Allow(entry)
	a.carryOut(w, r, change, err, q.Dry, "allow add")
}

const noConfig = "there is no configuration file to write to"

func by(r *http.Request) string { return CallerOf(r.Context()).Name }

// carryOut writes a change, unless it is only asked for.
func (a *API) carryOut(w http.ResponseWriter, r *http.Request, c Change, err error, dry bool, command string) {
	if err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if !dry {
		if err = c.Write(); err == nil {
			a.d.Log.Info("changed from a page", "file", c.File, "by", by(r), "text", c.Text)
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		Refuse(w, http.StatusConflict, fmt.Sprintf("flowhound's user may not write %s. On the host: sudo flowhound %s", c.File, command))
	case err != nil:
		Refuse(w, http.StatusConflict, err.Error())
	default:
		Answer(w, r, Written{c.File, c.Text, !dry})
	}
}

// untilOf reads a date, which lasts to the end of that day in UTC, or a time.
func untilOf(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("until: %.40q is not a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z", text)
	}
	return t, nil
}

func networkOf(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.60q is not an address or network", text)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

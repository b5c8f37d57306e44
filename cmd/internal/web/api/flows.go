package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/show"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/priority"
)

// About is what is known of an address or a country's name that an answer has.
type About struct {
	Country string `json:"cc,omitempty"`
	AS      uint32 `json:"as,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Host    string `json:"host,omitempty"`
	// Feed lists it, as Category, with this score; "": none does.
	Feed     string `json:"feed,omitempty"`
	Category string `json:"cat,omitempty"`
	Score    uint8  `json:"score,omitempty"`
}

// History is how the flows that are kept can be asked.
type History struct {
	ServicePorts func() []uint16
	// Open opens the flows that began between two times.
	Open func(from, to time.Time) (d *query.Data, done func(), err error)
}

const (
	// askTime bounds a question, and mostAsking how many are answered at once.
	askTime    = 10 * time.Second
	mostAsking = 2
	// askMemory bounds the tables of a question.
	askMemory = 64 << 20
	mostRows  = 5000
	mostFlows = 1000
	// mostExpression bounds an expression.
	mostExpression = 2000
)

// askWorkers is how many cores a question may take, of what receiving leaves.
func askWorkers() int { return min(priority.Cores(), 4) }

var errBusy = errors.New("busy")

// turn waits until a question may be answered.
func (a *API) turn(ctx context.Context) (end func(), err error) {
	select {
	case a.asking <- struct{}{}:
		return func() { <-a.asking }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

// asking is one question to the history.
type asking struct {
	span
	query.Question
	data    *query.Data
	mu      sync.Mutex
	damaged []string
	begun   time.Time
}

// ask reads what all questions to the history have, opens it and calls answer. It
// answers mistakes itself.
func (a *API) ask(w http.ResponseWriter, r *http.Request, answer func(ctx context.Context, q *asking) (any, error)) {
	if a.d.History == nil {
		Refuse(w, http.StatusConflict, "no flows are kept: history.enabled is false in the configuration")
		return
	}
	q := &asking{begun: time.Now()}
	values := r.URL.Query()
	var err error
	if q.span, err = spanOf(values, q.begun); err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	text := values.Get("expression")
	if len(text) > mostExpression {
		Refuse(w, http.StatusBadRequest, fmt.Sprintf("expression is longer than %d characters", mostExpression))
		return
	}
	if q.Filter, err = query.Parse(text, query.Env{Local: a.d.Networks()}); err != nil {
		refuseExpression(w, err)
		return
	}
	q.Start, q.End, q.Workers, q.Yield = q.from, q.to, askWorkers(), true
	q.Raw, q.Damaged = values.Get("raw") == "true", q.isDamaged
	said := a.shared.get(r.Context(), r.URL.Path+"?"+r.URL.RawQuery, func(ctx context.Context) (said reply) {
		priority.Do(priority.Low, func() { said = a.reply(ctx, q, answer) })
		return said
	})
	switch {
	case r.Context().Err() != nil: // the browser asks something else
	case said.status == http.StatusOK:
		send(w, r, said.body)
	default:
		if said.busy {
			w.Header().Set("Retry-After", "5")
		}
		Refuse(w, said.status, string(said.body))
	}
}

// reply answers a question when its turn has come, within a bounded time.
func (a *API) reply(ctx context.Context, q *asking, answer func(ctx context.Context, q *asking) (any, error)) reply {
	ctx, cancel := context.WithTimeout(ctx, a.askTime)
	defer cancel()
	end, err := a.turn(ctx)
	if err != nil {
		return reply{status: http.StatusServiceUnavailable, busy: true, body: []byte("other questions are being answered; try again")}
	}
	defer end()
	out, err := a.answerFrom(ctx, q, answer)
	if errors.Is(err, context.DeadlineExceeded) {
		return reply{status: http.StatusServiceUnavailable, body: fmt.Appendf(nil, "Stopped after %s: ask for a shorter time or fewer fields, or let the command line take its time.", a.askTime)}
	}
	if err != nil {
		return reply{status: http.StatusBadRequest, body: []byte(err.Error())}
	}
	b, err := encode(out)
	if err != nil {
		return reply{status: http.StatusInternalServerError, body: []byte(err.Error())}
	}
	return reply{status: http.StatusOK, body: b}
}

func (a *API) answerFrom(ctx context.Context, q *asking, answer func(ctx context.Context, q *asking) (any, error)) (any, error) {
	data, done, err := a.d.History.Open(q.from, q.to)
	if errors.Is(err, fs.ErrNotExist) { // nothing was written yet
		data, done, err = &query.Data{}, func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	defer done()
	q.data = data
	for _, name := range data.Aside {
		q.damaged = append(q.damaged, filepath.Base(name))
	}
	return answer(ctx, q)
}

// isDamaged notes a file that cannot be read; the others answer. One that is gone has
// expired since the question began.
func (q *asking) isDamaged(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.damaged = append(q.damaged, filepath.Base(path))
}

// first is when the first flow of the files that were asked began; zero: none did.
func (q *asking) first() (t time.Time) {
	for _, f := range q.data.Files {
		if at := time.Unix(0, f.Info.Start); t.IsZero() || at.Before(t) {
			t = at
		}
	}
	return t.UTC()
}

// refuseExpression shows the place of a mistake.
func refuseExpression(w http.ResponseWriter, err error) {
	p := problem{Error: err.Error()}
	var e *query.Error
	if errors.As(err, &e) {
		p.Error = e.Message
		if e.Suggestion != "" {
			p.Error += "; did you mean " + e.Suggestion + "?"
		}
		p.Mistake = &Mistake{e.Text, len([]rune(e.Text[:min(e.Pos, len(e.Text))])), e.Suggestion}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}

// Top is the answer to a question for the largest groups.
type Top struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// First is when the first flow of the range that is kept began; absent: there is none.
	First   time.Time `json:"first,omitzero"`
	Records uint64    `json:"records"`
	Bins    int       `json:"bins"` // different groups, of which Rows may have fewer
	// Estimated says that Bins is an estimate, to a few percent.
	Estimated bool     `json:"bins_estimated,omitempty"`
	Total     uint64   `json:"total"`
	Fields    []string `json:"fields"`
	// Rows have the fields by name, value, and with a total percent and cumulative.
	Rows    []map[string]any `json:"rows"`
	About   map[string]About `json:"about"`             // by address
	Damaged []string         `json:"damaged,omitempty"` // files that are left out
	TookMS  int64            `json:"took_ms"`
}

// top answers a question for the largest groups: fields, value, count, bottom.
func (a *API) top(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	o, err := topOptions(values)
	if err != nil {
		refuseExpression(w, err)
		return
	}
	a.ask(w, r, func(ctx context.Context, q *asking) (any, error) {
		t, err := q.data.Top(ctx, q.Question, o)
		if err != nil {
			return nil, err
		}
		out := Top{
			From: q.from.UTC(), To: q.to.UTC(), First: q.first(), Records: t.Records, Bins: t.Groups, Estimated: t.Estimated, Total: t.Total,
			Rows: []map[string]any{}, About: map[string]About{}, Damaged: q.damaged, TookMS: time.Since(q.begun).Milliseconds(),
		}
		for _, k := range o.Keys {
			out.Fields = append(out.Fields, k.Name)
		}
		for _, row := range t.Rows[:min(len(t.Rows), mostRows)] {
			out.Rows = append(out.Rows, a.rowOf(&row, &o, out.About))
		}
		return out, nil
	})
}

func (a *API) rowOf(row *query.TopRow, o *query.TopOptions, about map[string]About) map[string]any {
	x := map[string]any{"value": row.Value}
	if o.Value < query.CountSources {
		x["percent"], x["cumulative"] = round(row.Percent), round(row.Cumulative)
	}
	for i, v := range o.KeyOf(row) {
		x[o.Keys[i].Name] = v
		if addr, ok := v.(netip.Addr); ok && len(about) < mostRows {
			if y := a.about(addr); y != (About{}) {
				about[addr.String()] = y
			}
		}
	}
	return x
}

// about tells what is known of an address.
func (a *API) about(addr netip.Addr) (x About) {
	if a.d.About != nil {
		x = a.d.About(addr)
	}
	if all := a.d.Listed(addr); len(all) > 0 {
		x.Feed, x.Category, x.Score = all[0].Feed, all[0].Category.String(), all[0].Confidence()
	}
	return x
}

func topOptions(q url.Values) (o query.TopOptions, err error) {
	fields, value := q.Get("fields"), q.Get("value")
	if fields == "" {
		fields = "sip"
	}
	if value == "" {
		value = "bytes"
	}
	o.Memory, o.Bottom = askMemory, q.Get("bottom") == "true"
	if o.Keys, err = query.ParseKeys(fields); err != nil {
		return o, err
	}
	if o.Value, err = query.ParseValue(value); err != nil {
		return o, err
	}
	if o.Count, err = numberOf(q, "count", 10, mostRows); err != nil {
		return o, err
	}
	inTime := slices.ContainsFunc(o.Keys, func(k query.Key) bool { return k.Step > 0 })
	if o.Count == 0 && !inTime {
		o.Count = mostRows
	}
	o.ByKey = o.Count == 0
	return o, nil
}

// Flows is the answer to a question for conversations.
type Flows struct {
	From    time.Time         `json:"from"`
	To      time.Time         `json:"to"`
	First   time.Time         `json:"first,omitzero"`
	Flows   []json.RawMessage `json:"flows"` // as flowhound flows --biflow --json has them
	About   map[string]About  `json:"about"`
	More    bool              `json:"more"` // there are more than these
	Damaged []string          `json:"damaged,omitempty"`
	TookMS  int64             `json:"took_ms"`
}

// flows answers a question for conversations: sort, limit.
func (a *API) flows(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	limit, err := numberOf(values, "limit", 100, mostFlows)
	if err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	by := values.Get("sort")
	if by == "" {
		by = "start"
	}
	sort, err := query.ParseSort(by)
	if err != nil {
		refuseExpression(w, err)
		return
	}
	a.ask(w, r, func(ctx context.Context, q *asking) (any, error) {
		out := Flows{From: q.from.UTC(), To: q.to.UTC(), First: q.first(), Flows: []json.RawMessage{}, About: map[string]About{}}
		_, err := q.data.Records(ctx, q.Question, query.RecordOptions{Biflow: true, Sort: sort, Limit: limit + 1}, func(f *query.Found) error {
			if len(out.Flows) == limit {
				out.More = true
				return nil
			}
			out.Flows = append(out.Flows, show.AppendJSON(nil, f))
			for _, addr := range []netip.Addr{f.Src.IP(), f.Dst.IP()} {
				if y := a.about(addr); y != (About{}) {
					out.About[addr.String()] = y
				}
			}
			return nil
		})
		out.Damaged, out.TookMS = q.damaged, time.Since(q.begun).Milliseconds()
		return out, err
	})
}

// Address is what the lists say of one address.
type Address struct {
	Address string      `json:"address"`
	Own     bool        `json:"own"`
	About   About       `json:"about"`
	Lists   []Indicator `json:"lists"`
	Series  []Series    `json:"hits"` // of the last 30 days
	// Exports says which files and zones hold it, and why the others do not.
	Exports []keep.Holding `json:"exports"`
	// Allowed is the entry of an allow list that covers it; Mutes hold its alerts back.
	Allowed string   `json:"allowed,omitempty"`
	Mutes   []string `json:"mutes,omitempty"`
}

// Indicator is one reason to report an address.
type Indicator struct {
	IOC       string    `json:"ioc"`
	Feed      string    `json:"feed"`
	Category  string    `json:"cat"`
	Score     uint8     `json:"score"`
	Ref       string    `json:"ref,omitempty"`
	Name      string    `json:"name,omitempty"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
}

const mostIndicators = 50

// addressOf reads the address of a path; it answers itself where ok is false.
func addressOf(w http.ResponseWriter, r *http.Request) (addr netip.Addr, ok bool) {
	addr, err := netip.ParseAddr(r.PathValue("address"))
	if err != nil {
		Refuse(w, http.StatusBadRequest, fmt.Sprintf("%.60q is not an address", r.PathValue("address")))
		return addr, false
	}
	return addr.Unmap().WithZone(""), true
}

// address tells what is known of one address.
func (a *API) address(w http.ResponseWriter, r *http.Request) {
	addr, ok := addressOf(w, r)
	if !ok {
		return
	}
	out := Address{Address: addr.String(), About: a.about(addr), Lists: []Indicator{}, Series: []Series{}}
	if a.d.Own != nil {
		out.Own = a.d.Own(addr)
	}
	now := time.Now()
	listed := a.d.Listed(addr)
	for _, i := range listed {
		if len(out.Lists) < mostIndicators {
			out.Lists = append(out.Lists, indicatorOf(&i))
		}
	}
	out.Exports, out.Allowed = a.d.Exports(addr, listed), a.d.Allowed(addr)
	for _, m := range a.d.Policy().Mutes() {
		if !m.Over(now) && (m.IOC.IsValid() && m.IOC.Contains(addr) || m.Src.IsValid() && m.Src.Contains(addr)) {
			out.Mutes = append(out.Mutes, m.String())
		}
	}
	s := span{now.Add(-30 * 24 * time.Hour), now}
	network := netip.PrefixFrom(addr, addr.BitLen())
	list, _ := a.d.Hits.List(series.Question{From: s.from, To: s.to, Accept: func(x *series.Series) bool { return x.Of(network) }})
	for i := range list[:min(len(list), mostIndicators)] {
		out.Series = append(out.Series, a.seriesOf(&list[i], s))
	}
	Answer(w, r, out)
}

func indicatorOf(i *intel.Indicator) Indicator {
	x := Indicator{IOC: i.Prefix.String(), Feed: i.Feed, Category: i.Category.String(), Score: i.Confidence(), Ref: i.Ref, Name: i.Name, FirstSeen: i.FirstSeen, LastSeen: i.LastSeen}
	if i.Prefix.IsSingleIP() {
		x.IOC = i.Prefix.Addr().String()
	}
	return x
}

// Package api answers the questions of flowhound's pages and of scripts: /api/v1, as
// openapi.json describes it. It asks the parts and holds nothing of its own but how
// fast their counters move. It never decides who may ask: the caller is in the
// request's context.
package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed" // of openapi.json
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/exporters"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/cmd/internal/web/users"
)

//go:embed openapi.json
var openAPI []byte

// Dependencies are whom the answers come from. Functions are called concurrently.
// All are required, but Mute and Allow.
type Dependencies struct {
	Version   string
	Config    string // path of the configuration, "": there is none
	LogsIn    bool   // callers have names
	Started   time.Time
	Hits      *series.Store
	Exporters func() []exporters.State
	Feeds     func() []feed.State
	Outputs   func() []run.State
	Findings  func() finding.List
	Policy    func() *alert.Policy
	// Listed is what the lists say of an address, the best reason first.
	Listed func(netip.Addr) []intel.Indicator
	// Exports says which exports hold an address of which Listed said this, Allowed which
	// entry of an allow list covers it, "" where none does.
	Exports func(netip.Addr, []intel.Indicator) []keep.Holding
	Allowed func(netip.Addr) string
	// Networks are the own networks; Own reports whether an address is in one, and About where an address is.
	Networks func() []netip.Prefix
	Own      func(netip.Addr) bool
	About    func(netip.Addr) About
	// Attribution says where countries come from.
	Attribution func() Attribution
	// History is nil where no flows are kept.
	History   *History
	Metrics   prometheus.Gatherer
	Listening func() []string // where exporters can send to
	// Mute and Allow say what an entry would write to the configuration.
	Mute  func(alert.Mute) (Change, error)
	Allow func(Allow) (Change, error)
	Log   *slog.Logger
}

// API answers requests, from Start to Stop.
type API struct {
	d      Dependencies
	mux    *http.ServeMux
	rates  *rates
	live   chan struct{} // holds a token for each stream of events
	asking chan struct{} // holds a token for each question to the history that is being answered
	shared *shared
	// askTime bounds a question, and leaveTime how long an event may take to leave.
	askTime, leaveTime time.Duration
	slow               atomic.Uint64 // readers of events that were cut off
	said               finding.Moves
	saying             sync.Mutex // holds said

	stop  context.CancelFunc
	ctx   context.Context // ends with Stop
	tasks sync.WaitGroup
}

// route is one path of the interface, as openapi.json describes it.
type route struct {
	pattern string // as http.ServeMux has it
	role    users.Role
	answer  func(a *API, w http.ResponseWriter, r *http.Request)
	summary string
	query   []string // parameters beside those in the path
	gives   any      // of the type of the answer; nil: it is no JSON of ours
	takes   any      // of the type of the body
}

var (
	spanQuery  = []string{"last", "from", "to"}
	topQuery   = []string{"last", "from", "to", "expression", "fields", "value", "count", "bottom", "raw"}
	talkQuery  = []string{"last", "from", "to", "expression"}
	flowsQuery = []string{"last", "from", "to", "expression", "sort", "limit", "raw"}
)

// routes are all there are; a test holds openapi.json and the answers against them.
var routes = []route{
	{"GET /api/v1/me", users.Viewer, (*API).me, "Who asks, and whom.", nil, Me{}, nil},
	{"GET /api/v1/overview", users.Viewer, (*API).overview, "What needs somebody now.", spanQuery, Overview{}, nil},
	{"GET /api/v1/hits", users.Viewer, (*API).hits, "Series of hits, the worst and newest first.", parameters(), Hits{}, nil},
	{"GET /api/v1/hits/{series}", users.Viewer, (*API).story, "All that is known of one series.", spanQuery, Story{}, nil},
	{"GET /api/v1/exporters", users.Viewer, (*API).exporters, "Who sends flows, how much, and what is missing.", nil, Exporters{}, nil},
	{"GET /api/v1/feeds", users.Viewer, (*API).feeds, "Feeds, allow lists and mutes.", nil, Feeds{}, nil},
	{"GET /api/v1/outputs", users.Viewer, (*API).outputs, "Outputs, and what waits for them.", nil, Outputs{}, nil},
	{"GET /api/v1/findings", users.Viewer, (*API).findings, "What flowhound doctor says of the running agent.", nil, Findings{}, nil},
	{"GET /api/v1/top", users.Viewer, (*API).top, "The largest groups of the flows that are kept, as flowhound top has them.", topQuery, Top{}, nil},
	{"GET /api/v1/flows", users.Viewer, (*API).flows, "Conversations that are kept, as flowhound flows --biflow has them.", flowsQuery, Flows{}, nil},
	{"GET /api/v1/addresses/{address}", users.Viewer, (*API).address, "What is known of an address, and its hits of 30 days.", nil, Address{}, nil},
	{"GET /api/v1/addresses/{address}/talk", users.Viewer, (*API).talk, "Whom an address talked to, how much and how regularly, as flowhound hunt ADDRESS has it.", talkQuery, Talk{}, nil},
	{"GET /api/v1/events", users.Viewer, (*API).events, "Server-sent events: \"hits\" with News, and \"alive\" with Counts.", []string{"since"}, nil, nil},
	{"POST /api/v1/mute", users.Operator, (*API).mute, "Keep hits from being reported for a while.", nil, Written{}, muteAsked{}},
	{"POST /api/v1/allow", users.Operator, (*API).allow, "Never report an address, network or name.", nil, Written{}, allowAsked{}},
	{"GET /api/v1/openapi.json", users.Viewer, func(_ *API, w http.ResponseWriter, r *http.Request) { send(w, r, openAPI) }, "This document.", nil, nil, nil},
}

// New returns an API that does nothing yet.
func New(d Dependencies) *API {
	a := &API{
		d: d, mux: http.NewServeMux(), rates: newRates(d.Metrics), live: make(chan struct{}, mostStreams), asking: make(chan struct{}, mostAsking), shared: newShared(),
		askTime: askTime, leaveTime: leaveTime,
	}
	a.ctx, a.stop = context.WithCancel(context.Background())
	for _, x := range routes {
		a.mux.HandleFunc(x.pattern, func(w http.ResponseWriter, r *http.Request) {
			if c := CallerOf(r.Context()); !c.May(x.role) {
				Refuse(w, http.StatusForbidden, mayNot(c, d.LogsIn, x.role))
				return
			}
			x.answer(a, w, r)
		})
	}
	a.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		Refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %s %.100s; /api/v1/openapi.json says what there is", r.Method, r.URL.Path))
	})
	return a
}

func mayNot(c users.Caller, logsIn bool, role users.Role) string {
	if !logsIn {
		return "Nobody logs in here, so everybody may look and nobody may change. Set web.users, and run: flowhound user add NAME --role " + string(role)
	}
	return fmt.Sprintf("%s has the role %s and may look, not change. This takes the role %s.", c.Name, c.Role, role)
}

// Start begins to look at how fast counters move.
func (a *API) Start(context.Context) error {
	a.tasks.Go(func() { a.rates.run(a.ctx) })
	return nil
}

// Stop ends that, and all streams of events.
func (a *API) Stop(context.Context) error {
	a.stop()
	a.tasks.Wait()
	return nil
}

// Describe sends nothing: what Collect sends depends on nothing.
func (a *API) Describe(chan<- *prometheus.Desc) {}

// Collect sends how many readers of events were cut off.
func (a *API) Collect(ch chan<- prometheus.Metric) {
	metric.To(ch).Counter(metric.QueueDropped, a.slow.Load(), "events")
}

// ServeHTTP answers a request below /api/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

type callerKey struct{}

// WithCaller returns a context that says who asks.
func WithCaller(ctx context.Context, c users.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns who asks: nobody, who may nothing, where that was not said.
func CallerOf(ctx context.Context) users.Caller {
	c, _ := ctx.Value(callerKey{}).(users.Caller)
	return c
}

type stillKey struct{}

// WithStill returns a context with a function that says whether who asked may still: an
// answer that goes on for hours asks it now and then.
func WithStill(ctx context.Context, may func() bool) context.Context {
	return context.WithValue(ctx, stillKey{}, may)
}

// Still reports whether who asked may still; true where that was not said.
func Still(ctx context.Context) bool {
	may, ok := ctx.Value(stillKey{}).(func() bool)
	return !ok || may()
}

// problem is the answer to a request that is refused.
type problem struct {
	Error string `json:"error"`
	// Mistake shows where an expression is wrong.
	Mistake *Mistake `json:"mistake,omitempty"`
}

// Mistake is a place in an expression.
type Mistake struct {
	Text       string `json:"text"`
	At         int    `json:"at"` // in characters
	Suggestion string `json:"suggestion,omitempty"`
}

// Refuse answers with an error that a person understands.
func Refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(problem{Error: text}) // the client may have gone
}

// mostBody bounds a request's body.
const mostBody = 64 << 10

// Decode reads a request's JSON body, strictly. It answers itself where it returns
// false. That the body says it is JSON has browsers ask first, when another site sends
// it, and they are not answered.
func Decode(w http.ResponseWriter, r *http.Request, into any) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		Refuse(w, http.StatusUnsupportedMediaType, "send JSON, with Content-Type: application/json")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		Refuse(w, http.StatusBadRequest, "the request cannot be read: "+err.Error())
		return false
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // a Decoder returns it as it is
		Refuse(w, http.StatusBadRequest, "the request has more than one value")
		return false
	}
	return true
}

// Answer sends v as JSON.
func Answer(w http.ResponseWriter, r *http.Request, v any) {
	b, err := encode(v)
	if err != nil {
		Refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	send(w, r, b)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it is never HTML
	err := e.Encode(v)
	return b.Bytes(), err
}

// zipFrom is the size from which zipping an answer is worth it.
const zipFrom = 1024

// send sends JSON: not again to who has it, and zipped where that is understood.
func send(w http.ResponseWriter, r *http.Request, b []byte) {
	sum := sha256.Sum256(b)
	etag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding, Cookie, Authorization")
	h.Set("ETag", etag)
	if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	if len(b) < zipFrom || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(b) // the client may have gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // it knows the level
	_, _ = z.Write(b)
	_ = z.Close()
}

// Me is who asks, and whom.
type Me struct {
	Name    string     `json:"name"` // "": nobody logs in
	Role    users.Role `json:"role"`
	LogsIn  bool       `json:"logs_in"`
	Version string     `json:"version"`
	Host    string     `json:"host"`
	Config  string     `json:"config,omitempty"` // path of the configuration
	Pages   []string   `json:"pages"`            // those that have something to show
	// Countries says where those of addresses come from: the licence wants it shown.
	Countries Attribution `json:"countries"`
}

// Attribution is what the licence of a database asks to be shown.
type Attribution struct {
	Text string `json:"text"`
	URL  string `json:"url"`
	Date string `json:"date"` // of its data
	// Before names the user's own database, which is asked first.
	Before string `json:"before,omitempty"`
}

func (a *API) me(w http.ResponseWriter, r *http.Request) {
	c := CallerOf(r.Context())
	host, _ := os.Hostname()
	Answer(w, r, Me{c.Name, c.Role, a.d.LogsIn, a.d.Version, host, a.d.Config, a.pages(), a.d.Attribution()})
}

// pages names the pages that have something to show.
func (a *API) pages() []string {
	all := []string{"index", "hits", "exporters", "feeds", "outputs"}
	if a.d.History != nil {
		all = append(all, "map", "top", "talk")
	}
	return all
}

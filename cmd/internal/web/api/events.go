package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	// mostStreams bounds the streams that are open at once.
	mostStreams = 128
	// eventEvery is the least time between two looks at what is new, and aliveEvery the
	// most between two events: proxies and browsers close what is silent.
	eventEvery = time.Second
	aliveEvery = 15 * time.Second
	// leaveTime is how long an event may take to leave. Who reads slower is cut off, and
	// asks again: nothing waits for it.
	leaveTime = 10 * time.Second
	// mostNews bounds the series of one event.
	mostNews = 100
)

// News is one event: series with a new line since the last, the oldest change first.
type News struct {
	Series []Series `json:"hits"`
	Counts Counts   `json:"counts"`
}

// events sends what is new, as server-sent events: "hits" with News, now and then
// "alive" with Counts. It begins after the change of the query's since= or the header
// Last-Event-ID, or with what comes from now on. Nothing is kept for a client: each
// looks at the table when it has something new.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	select {
	case a.live <- struct{}{}:
		defer func() { <-a.live }()
	default:
		w.Header().Set("Retry-After", "30")
		Refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d browsers are live already; ask for /api/v1/hits now and then instead", mostStreams))
		return
	}
	since := a.d.Hits.Change()
	for _, text := range []string{r.URL.Query().Get("since"), r.Header.Get("Last-Event-ID")} {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			if since = n; n > a.d.Hits.Change() { // of before a restart: all since then is new
				since = 0
			}
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	s := stream{w: w, control: http.NewResponseController(w), leaveTime: a.leaveTime}
	err := s.send("alive", since, a.counts(time.Now()))
	if err == nil {
		err = a.follow(r, &s, since)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.cutOff(r)
	}
}

// cutOff counts a reader that was too slow, and says so now and then.
func (a *API) cutOff(r *http.Request) {
	count := a.slow.Add(1)
	a.saying.Lock()
	n := a.said.Since(count, time.Now())
	a.saying.Unlock()
	if n > 0 {
		a.d.Log.Warn("readers of events were too slow and were cut off; they ask again", "readers", n, "last", r.RemoteAddr)
	}
}

// follow sends events until the client goes or the server stops.
func (a *API) follow(r *http.Request, s *stream, since uint64) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		list, next, more := a.d.Hits.Changes(since, mostNews)
		if !Still(r.Context()) { // logged out, or taken out of the users' file
			return nil
		}
		var err error
		if now := time.Now(); len(list) > 0 {
			news := News{Counts: a.counts(now)}
			for i := range list {
				news.Series = append(news.Series, a.seriesOf(&list[i], span{now.Add(-24 * time.Hour), now}))
			}
			err = s.send("hits", next, news)
		} else if now.Sub(s.sent) >= aliveEvery {
			err = s.send("alive", next, a.counts(now))
		}
		if err != nil {
			return err
		}
		since = next
		pause.Reset(eventEvery)
		select {
		case <-pause.C:
		case <-r.Context().Done():
			return nil
		case <-a.ctx.Done():
			return nil
		}
		pause.Reset(aliveEvery)
		select {
		case <-more:
		case <-pause.C:
		case <-r.Context().Done():
			return nil
		case <-a.ctx.Done():
			return nil
		}
	}
}

// stream is one client of events.
type stream struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	leaveTime time.Duration
	sent      time.Time
}

func (s *stream) send(event string, id uint64, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := s.control.SetWriteDeadline(now.Add(s.leaveTime)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\nid: %d\ndata: %s\n\n", event, id, b); err != nil {
		return err
	}
	s.sent = now
	return s.control.Flush()
}

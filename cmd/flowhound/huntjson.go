package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	"github.com/flowhound/flowhound/cmd/internal/parallel"
	"github.com/flowhound/flowhound/plugin/hit"
)

func printGroupsJSON(out io.Writer, groups []*hunt.Group) error {
	return parallel.Write(out, len(groups), printedByOne, func(b []byte, i int) []byte {
		x := hitOf(groups[i])
		return append(appendFind(b, &x), '\n')
	})
}

// appendFind appends what hunt --json prints of one pair. A hunt finds 50,000 of them: with
// encoding/json they would take three times as long.
func appendFind(b []byte, x *hit.Hit) []byte {
	word := func(key, value string) { b = append(append(append(append(b, key...), '"'), value...), '"') }
	free := func(key, value string) { b = appendText(append(b, key...), value) }
	number := func(key string, n uint64) { b = strconv.AppendUint(append(b, key...), n, 10) }
	word(`{"ioc":`, address(x))
	free(`,"feed":`, x.Feed)
	word(`,"cat":`, x.Category)
	number(`,"score":`, uint64(x.Score))
	if x.Ref != "" {
		free(`,"ref":`, x.Ref)
	}
	if x.Name != "" {
		free(`,"name":`, x.Name)
	}
	word(`,"local":`, x.Local.String())
	word(`,"remote":`, x.Remote.String())
	b = append(x.Start.AppendFormat(append(b, `,"first":"`...), time.RFC3339Nano), '"')
	b = append(x.End.AppendFormat(append(b, `,"last":"`...), time.RFC3339Nano), '"')
	number(`,"flows":`, x.Count)
	number(`,"bytes":`, x.Bytes)
	word(`,"kind":`, string(x.Kind))
	word(`,"sev":`, x.Severity.String())
	word(`,"dir":`, string(x.Direction))
	word(`,"state":`, string(x.State))
	number(`,"proto":`, uint64(x.Proto))
	if port := servicePort(x); port != nil {
		number(`,"port":`, uint64(*port))
	}
	if r := regularOf(x); r != nil {
		b = appendJSON(append(b, `,"regular":`...), r)
	}
	return append(b, '}')
}

// appendText appends a text as JSON.
func appendText(b []byte, s string) []byte {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return appendJSON(b, s)
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendJSON appends what printLines prints of a value that can be printed, on no line of
// its own.
func appendJSON(b []byte, v any) []byte {
	out := bytes.NewBuffer(b)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // of numbers and texts
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
}

// servicePort is the port of the service, nil where there is none.
func servicePort(x *hit.Hit) *int {
	if x.DstPort != hit.NoPort && x.Proto != 1 && x.Proto != 58 {
		return &x.DstPort
	}
	return nil
}

// regularJSON is hit.Regular with its words.
type regularJSON struct {
	Words     string  `json:"words"`
	Score     float64 `json:"score"`
	Period    float64 `json:"period_s,omitempty"`
	Deviation float64 `json:"deviation_s,omitempty"`
	Contacts  int     `json:"contacts,omitempty"`
	Missed    int     `json:"missed,omitempty"`
	Size      float64 `json:"size_bytes,omitempty"`
	SizeDev   float64 `json:"size_deviation_bytes,omitempty"`
	Held      float64 `json:"held_s,omitempty"`
}

func regularOf(x *hit.Hit) *regularJSON {
	r := x.Regular
	if r == nil {
		return nil
	}
	return &regularJSON{r.String(), r.Score, r.PeriodSeconds, r.DeviationSeconds, r.Contacts, r.Missed, r.SizeBytes, r.SizeDeviationBytes, r.HeldSeconds}
}

// address is the indicator as the alert line has it.
func address(x *hit.Hit) string {
	if x.IOC.IsSingleIP() {
		return x.IOC.Addr().String()
	}
	return x.IOC.String()
}

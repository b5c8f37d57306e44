package plugin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// poster is an output that posts each batch as a JSON array.
type poster struct {
	URL     plugin.Secret `json:"url" validate:"required,http_url"`
	Timeout time.Duration `json:"timeout" validate:"min=1s"`

	client *http.Client
}

func (p *poster) Open(context.Context) error {
	p.client = &http.Client{Timeout: p.Timeout}
	return nil
}

func (p *poster) Write(ctx context.Context, hits []plugin.Hit) error {
	body, err := json.Marshal(hits)
	if err != nil {
		return plugin.Permanent(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return plugin.Permanent(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return err // written again later; the URL is taken out of its text
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return plugin.RetryAfter(errors.New("too many requests"), time.Duration(max(seconds, 1))*time.Second)
	case resp.StatusCode < 500:
		return plugin.Permanent(fmt.Errorf("rejected: %s", resp.Status))
	}
	return fmt.Errorf("the server says %s", resp.Status)
}

func (p *poster) Close(context.Context) error {
	p.client.CloseIdleConnections()
	return nil
}

// A whole output: this is main of the program flowhound-output-poster.
func Example() {
	main := func() { plugin.Serve(&poster{Timeout: 10 * time.Second}) }
	_ = main
}

// Settings that are wrong are told in plain words, by "flowhound check" too.
func ExampleConfigure() {
	for _, p := range plugin.Configure(&poster{Timeout: 10 * time.Second}, []byte(`{"ulr": "https://hooks.example/T0", "timeout": "5 s"}`)) {
		fmt.Println(p)
	}
	// Output:
	// timeout: want a duration such as "30s" or "5m", not "5 s"
	// ulr: unknown key; did you mean url?
}

// Of a batch some hits can be delivered and others not: Partial says which, so
// that only the latter come again.
func ExamplePartial() {
	hits := []plugin.Hit{{ID: "a-1"}, {ID: "b-1"}, {ID: "c-1"}}
	errs := make([]error, len(hits))
	errs[1] = plugin.Permanent(errors.New("the field is too long"))
	errs[2] = errors.New("the shard is away")
	fmt.Println(plugin.Partial(errs))
	// Output:
	// 2 of 3 hits: the field is too long
}

// A target that says when it wants to be asked again is left alone until then.
func ExampleRetryAfter() {
	err := plugin.RetryAfter(errors.New("too many requests"), 30*time.Second)
	var later *plugin.RetryAfterError
	fmt.Println(errors.As(err, &later), later.After, plugin.IsPermanent(err))
	// Output: true 30s false
}

// A Secret shows itself in no log and no error.
func ExampleSecret() {
	token := plugin.Secret("xoxb-1234")
	fmt.Printf("%v %+v %q\n", token, struct{ Token plugin.Secret }{token}, fmt.Sprint(token))
	fmt.Println(len(token.Reveal()))
	// Output:
	// <secret> {Token:<secret>} "<secret>"
	// 9
}

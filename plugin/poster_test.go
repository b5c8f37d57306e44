package plugin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

// TestMain makes the test's binary the example's program when a test asks.
func TestMain(m *testing.M) {
	if os.Getenv("SERVE_THE_EXAMPLE") != "" {
		plugin.Serve(&poster{Timeout: 10 * time.Second})
		return
	}
	os.Exit(m.Run())
}

func TestExampleKeepsTheContract(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var hits []plugin.Hit
		if json.NewDecoder(r.Body).Decode(&hits) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		if r.URL.Path == "/busy-T0B0X0" {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer target.Close()
	settings := func(path string) string { return `{"url": "` + target.URL + path + `"}` }
	plugintest.Run(t, plugintest.Suite{
		New:      func() plugin.Output { return &poster{Timeout: 10 * time.Second} },
		Settings: settings("/T0B0X0"),
		Broken:   []string{settings("/busy-T0B0X0"), `{"url": "http://127.0.0.1:1/T0B0X0"}`},
		Secrets:  []string{"T0B0X0"},
	})
	c := plugintest.Open(t, &poster{Timeout: time.Second}, settings("/busy-T0B0X0"))
	var later *plugin.RetryAfterError
	if err := c.Write(t.Context(), plugintest.Hits(1)); !errors.As(err, &later) || later.After != 7*time.Second {
		t.Errorf("%v", err)
	}
	c = plugintest.Open(t, &poster{Timeout: time.Second}, `{"url": "http://127.0.0.1:1/T0B0X0"}`)
	if err := c.Write(t.Context(), plugintest.Hits(1)); err == nil || !strings.HasPrefix(err.Error(), `Post "<secret>": dial tcp`) {
		t.Errorf("%v", err)
	}
}

// TestStartedByAPerson starts the example's program by hand, and with half of
// what flowhound gives it.
func TestStartedByAPerson(t *testing.T) {
	for name, c := range map[string]struct {
		env    []string
		code   int
		stderr []string
	}{
		"by hand":       {nil, 2, []string{"is an output of flowhound, which starts it itself", "flowhound check", "    url                      secret     required,http_url\n    timeout                  duration   min=1s\n"}},
		"no lifeline":   {[]string{"FLOWHOUND_OUTPUT=b6f0c2d79b6e4a3f8d1e5c7a902d4f11", "PLUGIN_CLIENT_CERT=x"}, 1, []string{`"@level":"error","@message":"cannot start"`, "FLOWHOUND_LIFELINE_FD"}},
		"no encryption": {[]string{"FLOWHOUND_OUTPUT=b6f0c2d79b6e4a3f8d1e5c7a902d4f11"}, 1, []string{"has not sent its certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			cmd.Env = append(c.env, "SERVE_THE_EXAMPLE=1")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run()
			if cmd.ProcessState.ExitCode() != c.code || stdout.Len() > 0 {
				t.Errorf("exit status %d, stdout %q", cmd.ProcessState.ExitCode(), &stdout)
			}
			for _, want := range c.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("%q is not in:\n%s", want, &stderr)
				}
			}
		})
	}
}

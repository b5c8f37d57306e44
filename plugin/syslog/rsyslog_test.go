package main

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

// opened returns an output that is open with settings.
func opened(t testing.TB, settings map[string]any) *output {
	t.Helper()
	o, err := tryOpen(t, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o
}

func tryOpen(t testing.TB, settings map[string]any) (*output, error) {
	t.Helper()
	b, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	o := defaults()
	if problems := plugin.Configure(o, b); len(problems) > 0 {
		t.Fatalf("settings: %v", problems)
	}
	return o, o.Open(t.Context())
}

// with returns a copy of settings with more in it.
func with(settings map[string]any, more map[string]any) map[string]any {
	all := maps.Clone(settings)
	maps.Copy(all, more)
	return all
}

func (r *rsyslog) tlsSettings() map[string]any {
	return map[string]any{
		"address": "tls://" + r.tls, "server_name": "localhost", "ca_file": r.dir + "/ca.pem", "cert_file": r.dir + "/client.pem", "key_file": r.dir + "/client.key",
	}
}

// TestRsyslog: every message arrives byte for byte and in order.
func TestRsyslog(t *testing.T) {
	t.Parallel()
	r := startRsyslog(t)
	transports := map[string]map[string]any{
		"udp":         {"address": "udp://" + r.udp},
		"tcp-lf":      {"address": "tcp://" + r.tcp},
		"tcp-octet":   {"address": "tcp://" + r.tcp, "framing": "octet"},
		"tls":         r.tlsSettings(),
		"tls-lf":      with(r.tlsSettings(), map[string]any{"framing": "lf", "format": "rfc3164"}),
		"unix":        {"address": "unix://" + r.stream},
		"unix-octet":  {"address": "unix://" + r.stream, "framing": "octet", "format": "rfc5424"},
		"unixgram":    {"address": "unixgram://" + r.log},
		"unixgram-24": {"address": "unixgram://" + r.datagram, "format": "rfc5424"},
	}
	seen := 0
	for _, name := range slices.Sorted(maps.Keys(transports)) {
		for _, payload := range payloads {
			t.Run(name+"/"+payload, func(t *testing.T) {
				o := opened(t, with(transports[name], map[string]any{"payload": payload, "hostname": "gw"}))
				hits := plugintest.Hits(300)
				var want []string
				for i := range hits {
					msg, err := o.format.append(nil, &hits[i])
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, string(msg))
				}
				for batch := range slices.Chunk(hits, 100) {
					if err := o.Write(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
				}
				if err := o.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := r.out(t, func(lines []string) bool { return len(lines) >= seen+len(want) })[seen:]
				seen += len(got)
				for i := range min(len(want), len(got)) {
					if got[i] != want[i] {
						t.Fatalf("message %d\n got %q\nwant %q", i, got[i], want[i])
					}
				}
				if len(got) != len(want) {
					t.Fatalf("%d messages arrived of %d", len(got), len(want))
				}
			})
		}
	}
}

// TestRsyslogRefusesStrangers: TLS without a certificate, with another's, and
// with the wrong CA. TLS 1.3 tells the first two only after the handshake, when a
// write would still succeed.
func TestRsyslogRefusesStrangers(t *testing.T) {
	t.Parallel()
	r := startRsyslog(t)
	for name, change := range map[string]map[string]any{
		"no certificate":      {"cert_file": "", "key_file": ""},
		"another's":           {"cert_file": r.dir + "/stranger.pem", "key_file": r.dir + "/stranger.key"},
		"another CA":          {"ca_file": r.dir + "/otherca.pem"},
		"another server name": {"server_name": "siem.example"},
	} {
		o, err := tryOpen(t, with(r.tlsSettings(), change))
		if err == nil {
			t.Errorf("%s: Open says nothing", name)
		} else {
			t.Log(err)
		}
		_ = o.Close(t.Context())
	}
}

var idOnLine = regexp.MustCompile(` id=(\S+) `)

// TestRsyslogIsKilled: with the retries that flowhound makes, every hit arrives
// although rsyslogd is killed, twice, in the middle.
func TestRsyslogIsKilled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tcp", "tls", "unix", "unixgram", "udp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRsyslog(t)
			settings := map[string]map[string]any{
				"tcp": {"address": "tcp://" + r.tcp}, "tls": r.tlsSettings(), "unix": {"address": "unix://" + r.stream}, "unixgram": {"address": "unixgram://" + r.log},
				"udp": {"address": "udp://" + r.udp},
			}[name]
			o := opened(t, settings)
			hits := plugintest.Hits(5000)
			n, failed := 0, 0
			for batch := range slices.Chunk(hits, 50) {
				if n++; n == 30 || n == 70 {
					r.kill(t)
				}
				for o.Write(t.Context(), batch) != nil {
					if failed++; failed%3 == 0 && r.cmd.ProcessState != nil {
						r.start(t)
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			if failed == 0 {
				t.Error("Write never failed: rsyslogd was not down")
			}
			if err := o.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			missing := func(lines []string) map[string]bool {
				ids := map[string]bool{}
				for i := range hits {
					ids[hits[i].ID] = true
				}
				for _, line := range lines {
					if m := idOnLine.FindStringSubmatch(line); m != nil {
						delete(ids, m[1])
					}
				}
				return ids
			}
			lines := r.out(t, func(lines []string) bool { return len(missing(lines)) == 0 })
			if m := missing(lines); len(m) > 0 {
				t.Errorf("%d of %d hits are missing: %s", len(m), len(hits), strings.Join(slices.Sorted(maps.Keys(m))[:min(len(m), 20)], " "))
			}
			t.Logf("%d hits, %d lines, %d failed writes", len(hits), len(lines), failed)
		})
	}
}

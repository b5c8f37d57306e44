package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin"
)

// TestSettings: what is wrong, under which key, in words that say what to do.
func TestSettings(t *testing.T) {
	t.Parallel()
	tests := []struct{ settings, want string }{
		{`{"address": "udp://siem.example"}`, ""},
		{`{"address": "tcp://[2001:db8::1]:1514", "framing": "octet", "format": "rfc5424", "payload": "cef", "sd_id": "flowhound@32473", "pace": "2ms"}`, ""},
		{`{"address": "tls://siem.example", "server_name": "x.example"}`, ""},
		{`{"address": "unixgram:///dev/log", "facility": "authpriv", "max_size": 8192}`, ""},
		{`{}`, "address: is missing"},
		{`{"address": "siem.example:514"}`, "address: "},
		{`{"address": "http://siem.example"}`, `address: "http://siem.example" is not an address such as "udp://host:514"`},
		{`{"address": "tcp://user:hunter2@siem.example"}`, "address: is not an address such as"},
		{`{"address": "tcp://siem.example/path"}`, "is not an address such as"},
		{`{"address": "unix://dev/log"}`, "needs an absolute path"},
		{`{"address": "udp://siem.example", "framing": "octet"}`, "framing: has no meaning for udp"},
		{`{"address": "tcp://siem.example", "server_name": "x"}`, "server_name: has a meaning for tls:// addresses only"},
		{`{"address": "tls://siem.example", "cert_file": "settings_test.go"}`, "cert_file: needs key_file"},
		{`{"address": "tls://siem.example", "ca_file": "no/such.pem"}`, "ca_file: "},
		{`{"address": "udp://siem.example", "format": "rfc5425"}`, "did you mean rfc5424"},
		{`{"address": "udp://siem.example", "payload": "xml"}`, "payload: "},
		{`{"address": "udp://siem.example", "facility": "local8"}`, "facility: "},
		{`{"address": "udp://siem.example", "sd_id": "flowhound@32473"}`, "sd_id: has a meaning for format rfc5424 only"},
		{`{"address": "tls://siem.example", "sd_id": "flowhound"}`, "sd_id: want name@number"},
		{`{"address": "tls://siem.example", "sd_id": "f x]@1"}`, "sd_id: want name@number"},
		{`{"address": "udp://siem.example", "app_name": "a b"}`, "app_name: "},
		{`{"address": "udp://siem.example", "app_name": "a0123456789012345678901234567890123"}`, "app_name: is too long; RFC 3164 takes 32"},
		{`{"address": "udp://siem.example", "max_size": 1023}`, "max_size: 1023 is too small; the least is 1024"},
		{`{"address": "tls://siem.example", "max_size": 1024}`, "the least is 2048"},
		{`{"address": "tls://siem.example", "sd_id": "f@1", "max_size": 2048}`, "the least is 4096"},
		{`{"address": "udp://siem.example", "max_size": 70000}`, "max_size: 70000 is too large"},
		{`{"address": "udp://siem.example", "timeout": "1ms"}`, "timeout: "},
		{`{"address": "udp://siem.example", "pace": "0s"}`, ""},
		{`{"address": "udp://siem.example", "pace": "2s"}`, "pace: "},
		{`{"address": "udp://siem.example", "pace": "-1s"}`, "pace: "},
	}
	for _, tt := range tests {
		problems := plugin.Configure(defaults(), []byte(tt.settings))
		got := fmt.Sprint(problems)
		if (tt.want == "") != (len(problems) == 0) || !strings.Contains(got, tt.want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s:\n got %s\nwant %s", tt.settings, got, tt.want)
		}
	}
}

// TestDefaults are what README says.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"udp://h": "h:514 rfc3164  1024 200µs", "tcp://h": "h:514 rfc3164 lf 1024 0s", "tls://h": "h:6514 rfc5424 octet 8192 0s",
		"unix:///s": "/s rfc3164 lf 1024 0s", "unixgram:///s": "/s rfc3164  1024 0s",
	} {
		o := defaults()
		settings, _ := json.Marshal(map[string]string{"address": address})
		if p := plugin.Configure(o, settings); len(p) > 0 {
			t.Fatal(p)
		}
		to, err := parseAddress(o.Address)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(to.addr, " ", o.formatFor(to), " ", o.framingFor(to), " ", o.sizeFor(o.formatFor(to)), " ", o.paceFor(to)); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

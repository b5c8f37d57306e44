package web

import (
	"net"
	"net/netip"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Config is the section web of the configuration.
type Config struct {
	Listen string   `yaml:"listen" validate:"omitempty,host_port"`             // host:port; "": no server
	Hosts  []string `yaml:"hosts,omitempty" validate:"dive,required,dns_name"` // names that people and proxies ask for, beside the machine's own
	TLS    TLS      `yaml:"tls,omitempty"`
	// Insecure allows an address that is not loopback without TLS.
	Insecure bool `yaml:"insecure,omitempty"`
	// Users is the file of those who may log in; "": nobody has to.
	Users string `yaml:"users,omitempty"`
	Proxy Proxy  `yaml:"proxy,omitempty"`
}

// TLS names the files of a certificate, which are read again when they change.
type TLS struct {
	Cert string `yaml:"cert,omitempty"`
	Key  string `yaml:"key,omitempty"`
}

// Proxy says whose word counts for who asks.
type Proxy struct {
	From []netip.Prefix `yaml:"from,omitempty"` // addresses of reverse proxies
	// User is the header in which they name the user whom they have authenticated.
	User string `yaml:"user,omitempty" validate:"omitempty,max=64,printascii"`
}

// Authenticates reports whether who asks must be known.
func (c *Config) Authenticates() bool { return c.Users != "" || c.Proxy.User != "" }

// Differs names the keys whose values differ between c and next: all of them need a
// restart.
func (c *Config) Differs(next *Config) (keys []string) {
	for _, k := range []struct {
		name string
		same bool
	}{
		{"web.listen", c.Listen == next.Listen},
		{"web.hosts", slices.Equal(c.Hosts, next.Hosts)},
		{"web.tls", c.TLS == next.TLS},
		{"web.insecure", c.Insecure == next.Insecure},
		{"web.users", c.Users == next.Users},
		{"web.proxy", c.Proxy.User == next.Proxy.User && slices.Equal(c.Proxy.From, next.Proxy.From)},
	} {
		if !k.same {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// Paths are the paths of c, to be made whole.
func (c *Config) Paths() (paths []*string) {
	for _, p := range []*string{&c.TLS.Cert, &c.TLS.Key, &c.Users} {
		if *p != "" {
			paths = append(paths, p)
		}
	}
	return paths
}

// Complete says what is wrong with c, section at of the file. What others can reach
// must say who they are, and must not send passwords in the clear.
func Complete(c *Config, at settings.Section) {
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		at.Errorf("tls", "cert and key must both be set")
	}
	if (c.Proxy.User == "") != (len(c.Proxy.From) == 0) {
		at.Errorf("proxy", "from and user must both be set: the proxies, and the header in which they name the user")
	}
	if c.Listen == "" || at.Reported("listen") || loopback(c.Listen) {
		return
	}
	if c.TLS.Cert == "" && !c.Insecure {
		at.Errorf("listen", "%s can be reached by others: set tls.cert and tls.key, or \"insecure: true\" if a proxy or tunnel in front of it encrypts; or listen on 127.0.0.1", at.Text("listen"))
	}
	if !c.Authenticates() {
		at.Errorf("listen", "%s can be reached by others, and nobody would have to log in: set users, and run flowhound user add NAME; or listen on 127.0.0.1", at.Text("listen"))
	}
}

// loopback reports whether only this host reaches an address.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

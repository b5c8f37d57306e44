package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// hosts are the names by which this server may be asked for, in lower case. A
// browser that was lured to evil.example, whose address has become this server's
// (DNS rebinding), still says evil.example, and gets nothing.
type hosts map[string]bool

// knownHosts are localhost, the host of the listen address, this machine's name,
// alone and with its search domains, and the configured names.
func knownHosts(listen string, configured []string) hosts {
	h := hosts{"localhost": true}
	if name, _, err := net.SplitHostPort(listen); err == nil && name != "" {
		h.add(name)
	}
	for _, name := range configured {
		h.add(name)
	}
	name, err := os.Hostname()
	if err != nil {
		return h
	}
	h.add(name)
	first, _, _ := strings.Cut(name, ".")
	h.add(first)
	for _, domain := range searchDomains("/etc/resolv.conf") {
		h.add(first + "." + domain)
	}
	return h
}

func (h hosts) add(name string) {
	if name = strings.ToLower(strings.Trim(name, ".")); name != "" {
		h[name] = true
	}
}

// searchDomains reads the domains that a name is looked up in.
func searchDomains(path string) (domains []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 1 && (words[0] == "search" || words[0] == "domain") {
			domains = append(domains, words[1:]...)
		}
	}
	return domains
}

// knows reports whether a Host header is this server's: an address, which no
// browser takes for another's name, or a known name. HTTP/1.0 needs none.
func (h hosts) knows(header string) bool {
	name := header
	if host, _, err := net.SplitHostPort(header); err == nil {
		name = host
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil || name == "" {
		return true
	}
	return h[name] || strings.HasSuffix(name, ".localhost")
}

// only passes on requests for a known host.
func (h hosts) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.knows(r.Host) {
			http.Error(w, fmt.Sprintf("this server does not answer for %q; if it should, add the name to web.hosts in flowhound.yaml", r.Host), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

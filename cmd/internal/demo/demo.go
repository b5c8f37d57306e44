// Package demo holds what `flowhound demo` runs on: half an hour of NetFlow and
// IPFIX that real exporters sent, the indicator lists that know some of the
// addresses in it, and the table that sums up what was found.
//
// It decodes and matches nothing itself: the command runs the capture through
// the same pipeline as every replay.
package demo

import (
	"bytes"
	"embed"
	"io"
	"io/fs"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/hosts"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
)

//go:embed assets/capture.pcap.gz
var capture []byte

//go:embed assets/*.txt assets/*.csv assets/*.json
var assets embed.FS

// Capture returns the capture of NetFlow v5, v9 and IPFIX datagrams: a gzipped
// pcap of Ethernet frames. assets/README.md says who sent them.
func Capture() io.Reader { return bytes.NewReader(capture) }

// Assets returns the files that the paths of Feeds name.
func Assets() fs.FS {
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // only for a name that is not valid, and this one is
	}
	return sub
}

// Feeds returns the lists as a configuration would name them, the highest
// ranking first; each Path is relative to Assets.
func Feeds() []feed.Source {
	list := func(name, file string, category intel.Category, confidence int, reference string) feed.Source {
		return feed.Source{
			Name: name, Type: feed.List, Path: file, Format: "auto",
			Category: category, HasCategory: true, Confidence: confidence, Reference: reference,
		}
	}
	phishing := list("phishing", "phishing.csv", intel.Phishing, 70, "")
	phishing.Format, phishing.Column = "csv", "indicator"
	return []feed.Source{
		{Name: "pulses", Type: feed.OTX, Path: "pulses.json", Category: intel.Malware, HasCategory: true, Confidence: 85},
		list("c2", "c2.txt", intel.C2, 90, "https://intel.example/lists/c2"),
		list("botnet", "botnet.txt", intel.Botnet, 60, "https://intel.example/lists/botnet"),
		phishing,
		list("bruteforce", "bruteforce.txt", intel.Bruteforce, 80, "https://intel.example/lists/bruteforce"),
		list("scanners", "scanners.txt", intel.Scanner, 60, "https://intel.example/lists/scanners"),
		list("spam", "spam.txt", intel.Spam, 60, "https://intel.example/lists/spam"),
		list("tor-exits", "tor-exits.txt", intel.Anonymizer, 80, "https://intel.example/lists/tor-exits"),
		list("policy", "policy.txt", intel.Policy, 80, "https://wiki.example/rules/file-sharing"),
		list("watchlist", "watchlist.txt", intel.Other, 40, ""),
	}
}

// Geo returns where the capture's addresses are: they are nobody's, so places.csv, one
// of the Assets that were copied to dir, makes it up.
func Geo(dir string) geo.Config {
	return geo.Config{
		Database: filepath.Join(dir, "places.csv"),
		Sites: []geo.Site{
			{Name: "office", Country: geo.NewCountry("NO"), Inside: Local()[:1:1]},
			{Name: "servers", Country: geo.NewCountry("NO"), Inside: Local()[1:2:2]},
			{Name: "office", Country: geo.NewCountry("NO"), Inside: Local()[2:3:3]},
			{Name: "servers", Country: geo.NewCountry("NO"), Inside: Local()[3:]},
		},
	}
}

// Hosts returns the names of own hosts: hosts.txt, one of the Assets that were copied to
// dir, makes them up.
func Hosts(dir string) hosts.Config {
	return hosts.Config{Files: []string{filepath.Join(dir, "hosts.txt")}}
}

// Exports returns two files that are kept in dir for other systems: what all lists name,
// and what botnet lists name.
func Exports(dir string) keep.Config {
	return keep.Config{
		{Format: "nftables", Path: filepath.Join(dir, "flowhound.nft"), Every: time.Second},
		{Format: "plain", Path: filepath.Join(dir, "botnets.lst"), Every: time.Second, Categories: []intel.Category{intel.C2, intel.Malware, intel.Botnet}},
	}
}

// Local returns the capture's own networks: an office and a servers' network.
func Local() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.1.0.0/16"),
		netip.MustParsePrefix("10.2.0.0/16"),
		netip.MustParsePrefix("2001:db8:1::/48"),
		netip.MustParsePrefix("2001:db8:2::/48"),
	}
}

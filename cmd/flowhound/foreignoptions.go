package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// foreignOptions are what users of SiLK (rwfilter, rwcut, rwsort, rwstats, rwuniq) and
// nfdump type, and what does the same here, on flows, top or hunt.
var foreignOptions = map[string]string{ //nolint:gosec // pass-destination is no password
	// rwfilter: which records
	"start-date": "--start", "end-date": "--end", "stime": "--start and --end", "etime": "--start and --end", "active-time": "--start and --end",
	"saddress": "--sip", "daddress": "--dip", "any-address": "--any-ip", "scidr": "--sip", "dcidr": "--dip", "any-cidr": "--any-ip",
	"sipset": "--sip @FILE", "dipset": "--dip @FILE", "anyset": "--any-ip @FILE", "tuple-file": "--any-ip @FILE",
	"aport": "--any-port", "protocol": "--proto", "bytes-per-packet": "the expression 'bpp 40-100'", "bytes-per-second": "the expression 'bps > 10m'", "packets-per-second": "the expression 'pps > 1k'",
	"flags-all": "--flags", "flags-initial": "--flags", "flags-session": "--flags", "tcp-flags": "--flags", "syn-flag": "--flags S", "ack-flag": "--flags A", "fin-flag": "--flags F",
	"rst-flag": "--flags R", "psh-flag": "--flags P", "urg-flag": "--flags U", "ece-flag": "--flags E", "cwr-flag": "--flags C",
	"input-index": "--in", "output-index": "--out", "any-index": "the expression 'if 3'", "ip-version": "the expression 'ipv4' or 'ipv6'",
	"sensors": "--exporter", "class": "the expression 'direction inbound'", "type": "the expression 'direction inbound'", "flowtypes": "the expression 'direction inbound'", "application": "--service",
	// rwfilter: what to do with them
	"pass-destination": "--parquet FILE or --ipfix FILE", "all-destination": "--parquet FILE or --ipfix FILE", "fail-destination": "the --not- form of an option", "max-pass-records": "--limit",
	"print-statistics": "flowhound top --fields proto", "print-volume-statistics": "flowhound top --fields proto", "input-pipe": "--history DIR", "data-rootdir": "--history DIR",
	// rwcut, rwsort
	"num-recs": "--limit", "tail-recs": "--sort -start --limit", "delimited": "--csv", "no-titles": "--csv or --json", "no-columns": "--csv", "column-separator": "--csv", "output-path": "> FILE",
	"timestamp-format": "--utc", "epoch-time": "--json", "ip-format": "--json", "integer-ips": "--json", "reverse": "--sort +bytes for the smallest first",
	// rwstats, rwuniq
	"values": "--value", "percentage": "--threshold 5%", "top": "flowhound top", "overall-stats": "flowhound top --fields proto", "detail-proto-stats": "flowhound top --fields proto",
	"bin-time": "--fields 5min, hour or day", "sip-distinct": "--value sips", "dip-distinct": "--value dips", "sort-output": "--count 0", "all-counts": "--value bytes",
	"limit": "--count", "count": "--limit", "value": "--sort bytes", "sort": "--value", "fields": "--csv or --json, which have all fields", // of our own other commands
	// nfdump
	"r": "--history DIR", "R": "--history DIR", "M": "--history DIR", "t": "--start and --end", "n": "--limit", "s": "flowhound top --fields sip --value bytes",
	"a": "flowhound top --fields sip,dip,dport", "A": "flowhound top --fields sip,dip,dport", "b": "--biflow", "B": "--biflow", "o": "--csv or --json", "O": "--sort bytes", "m": "--sort start",
	"w": "--parquet FILE or --ipfix FILE", "f": `an expression: "$(cat FILE)"`, "N": "--csv or --json", "q": "--csv or --json",
}

// foreignFacts are options that ask for what no flow of the history has.
var foreignFacts = map[string]string{
	"next-hop-id": "next hops", "nhcidr": "next hops", "nhipset": "next hops", "attributes": "attributes", "pmap-file": "prefix maps: --sip @FILE takes lists", "payload-rate": "payloads",
}

// foreignOption says what an option of another tool is called here, "" when that is not
// known or cmd asks nothing of the history.
func foreignOption(cmd *cobra.Command, name string) string {
	if !slices.Contains([]string{"flows", "top", "hunt"}, cmd.Name()) {
		return ""
	}
	plain, negated := strings.CutPrefix(name, "not-")
	if lacks := foreignFacts[plain]; lacks != "" {
		return "flows have no " + lacks
	}
	meant := foreignOptions[plain]
	if plain == "n" && cmd.Name() == "top" {
		meant = "--count"
	}
	if option, ok := strings.CutPrefix(meant, "--"); ok {
		if first, _, _ := strings.Cut(option, " "); cmd.Flags().Lookup(first) == nil {
			return ""
		}
		if negated {
			meant = "--not-" + option
		}
	}
	if meant == "" {
		return ""
	}
	return "here it is " + meant
}

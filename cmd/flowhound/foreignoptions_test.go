package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestForeignOptions: what stands for an option of another tool is there, and that
// option is none of ours.
func TestForeignOptions(t *testing.T) {
	root := rootCommand()
	option := regexp.MustCompile(`--([a-z-]+)`)
	for name, meant := range foreignOptions {
		known := false
		for _, command := range []string{"flows", "top"} {
			cmd, _, err := root.Find([]string{command})
			if err != nil {
				t.Fatal(err)
			}
			if len(name) > 1 && cmd.Flags().Lookup(name) != nil && command == "flows" && name != "limit" && name != "sort" {
				t.Errorf("--%s is an option of flowhound %s", name, command)
			}
			all := true
			for _, m := range option.FindAllStringSubmatch(meant, -1) {
				other, _, _ := root.Find([]string{"top"})
				all = all && (cmd.Flags().Lookup(m[1]) != nil || strings.HasPrefix(meant, "flowhound top") && other.Flags().Lookup(m[1]) != nil || m[1] == "not-")
			}
			known = known || all
		}
		if !known {
			t.Errorf("--%s: %s names an option that neither flows nor top has", name, meant)
		}
	}
	for args, want := range map[string]string{
		"flows --saddress=10.0.0.0/8": "unknown option --saddress: here it is --sip", "flows --not-daddress=10.0.0.0/8": "here it is --not-dip", "flows --sipset x": "here it is --sip @FILE", "top -n 5": "unknown option -n: here it is --count",
		"flows -n 5": "unknown option -n: here it is --limit", "flows --nhcidr 10.0.0.0/8": "flows have no next hops", "flows -s srcip/bytes": "here it is flowhound top", "top --percentage=5": "here it is --threshold 5%",
		"flows --pass=stdout": "see flowhound flows --help", "status --saddress=1": "see flowhound status --help", "flows --dprot 5": "did you mean --dport?", "top --values bytes": "here it is --value", "hunt --num-recs 5": "see flowhound hunt --help",
		"flows --fields sip": "here it is --csv", "flows --top": "here it is flowhound top", "top --limit 5": "here it is --count",
	} {
		root := rootCommand()
		root.SetArgs(strings.Fields(args))
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ...%s...", args, err, want)
		}
	}
}

package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every page has all options of its command and nothing that man takes for a request of its
// own, whatever a text begins with.
func TestManPages(t *testing.T) {
	request := regexp.MustCompile(`^\.(nh|ad l|TH "[A-Z-]+" "8" .*|SH [A-Z ]+|PP|TP|nf|fi)$`)
	odd := &cobra.Command{Use: "odd", Short: "Show .dots", Long: ".begins with a dot\n'and a quote: a\\b\n\n  .as it is", Run: func(*cobra.Command, []string) {}}
	odd.Flags().String("x-y", "", ".dot `value`")
	root := rootCommand()
	root.AddCommand(odd)
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		page := manPage(cmd, time.Unix(0, 0).UTC())
		for line := range strings.Lines(page) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !request.MatchString(line) {
				t.Errorf("%s: %q", cmd.CommandPath(), line)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if name := `\fB` + manText("--"+f.Name) + `\fR`; strings.Contains(page, name) == f.Hidden {
				t.Errorf("%s: hidden is %v for --%s, but the page is different", cmd.CommandPath(), f.Hidden, f.Name)
			}
		})
		for _, c := range cmd.Commands() {
			check(c)
		}
	}
	check(root)
	for _, want := range []string{"\\&.begins with a dot\n\\&'and a quote: a\\eb\n.PP\n.nf\n  .as it is\n.fi\n", "\\fB\\-\\-x\\-y\\fR \\fIvalue\\fR\n\\&.dot value\n"} {
		if page := manPage(odd, time.Now()); !strings.Contains(page, want) {
			t.Errorf("no %q in:\n%s", want, page)
		}
	}
}

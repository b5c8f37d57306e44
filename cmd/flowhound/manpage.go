package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manPage is what --help says of a command, in the language of man: see man(7).
func manPage(cmd *cobra.Command, date time.Time) string {
	cmd.InitDefaultHelpFlag()
	p := &roff{}
	fmt.Fprintf(p, ".nh\n.ad l\n.TH \"%s\" \"8\" \"%s\" \"flowhound %s\" \"System Administration\"\n",
		strings.ToUpper(manName(cmd)), date.Format("Jan 2006"), manText(buildInfo().Version))
	p.section("NAME")
	p.lines(manText(manName(cmd)) + ` \- ` + manText(cmd.Short))
	p.section("SYNOPSIS")
	p.lines(manBold(cmd.UseLine()))
	p.section("DESCRIPTION")
	if cmd.Long != "" {
		p.paragraphs(cmd.Long)
	} else {
		p.paragraphs(cmd.Short)
	}
	p.options("OPTIONS", cmd.NonInheritedFlags())
	p.options("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.asIs(cmd.Example)
	}
	p.seeAlso(cmd)
	return p.String()
}

// roff is a page that is being written.
type roff struct{ strings.Builder }

func (p *roff) section(name string) { fmt.Fprintf(p, ".SH %s\n", name) }

// lines writes text in which a request at the beginning of a line is none.
func (p *roff) lines(s string) {
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			p.WriteString(`\&`)
		}
		p.WriteString(line + "\n")
	}
}

// paragraphs writes text; what is indented stays as it is.
func (p *roff) paragraphs(s string) {
	for part := range strings.SplitSeq(strings.Trim(s, "\n"), "\n\n") {
		p.WriteString(".PP\n")
		if strings.HasPrefix(part, " ") {
			p.asIs(part)
		} else {
			p.lines(manText(part))
		}
	}
}

func (p *roff) asIs(s string) {
	p.WriteString(".nf\n")
	p.lines(manText(s))
	p.WriteString(".fi\n")
}

func (p *roff) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := manBold("--" + f.Name)
		if f.Shorthand != "" && f.ShorthandDeprecated == "" {
			name = manBold("-"+f.Shorthand) + ", " + name
		}
		switch {
		case value == "":
		case f.NoOptDefVal != "":
			name += "[=" + manItalic(value) + "]"
		default:
			name += " " + manItalic(value)
		}
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "0s" && d != "[]" {
			usage += " (default " + d + ")"
		}
		p.WriteString(".TP\n")
		p.lines(name)
		p.lines(manText(usage))
	})
}

// seeAlso names the pages of the command above and of those below.
func (p *roff) seeAlso(cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, manBold(manName(cmd.Parent()))+"(8)")
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			pages = append(pages, manBold(manName(c))+"(8)")
		}
	}
	if len(pages) > 0 {
		p.section("SEE ALSO")
		p.lines(strings.Join(pages, ", "))
	}
}

func manBold(s string) string   { return `\fB` + manText(s) + `\fR` }
func manItalic(s string) string { return `\fI` + manText(s) + `\fR` }

// manText makes backslashes and dashes mean themselves: a dash that is none cannot be copied.
func manText(s string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(s)
}

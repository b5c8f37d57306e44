package main

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/intel/export"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
)

func exportCommand() *cobra.Command {
	var src source
	var o export.Options
	var categories, kinds []string
	var path string
	cmd := &cobra.Command{
		Use:   "export [-c FILE | --blacklist LIST...] FORMAT [-o FILE]",
		Short: "Write the live indicators for BIND, firewalls and other sensors",
		Long: `export reads the feeds and writes what is listed and not allowed in one of the formats
  ` + strings.Join(export.Formats(), " ") + `
A file is written whole and renamed into place; one that would not change is left
alone. To have a file kept as the indicators change, see exports: in the
configuration.`,
		Example: `  flowhound export nftables | nft -f -
  flowhound export rpz --category phishing --zone phishing.rpz.flowhound -o /var/lib/bind/phishing.rpz`,
		Args:      oneArg("name one format: " + strings.Join(export.Formats(), ", ")),
		ValidArgs: export.Formats(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Format = args[0]
			if err := errors.Join(parseAll(&o.Filter.Categories, categories), parseAll(&o.Filter.Kinds, kinds)); err != nil {
				return usageError(err)
			}
			if err := o.Check(); err != nil {
				return usageError(err)
			}
			return runExport(cmd, &src, o, path)
		},
	}
	src.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&path, "output", "o", "", "write to this `file` instead of standard output")
	f.StringArrayVar(&o.Filter.Feeds, "feed", nil, "only indicators of the feed of this `name` (repeatable)")
	f.StringSliceVar(&categories, "category", nil, "only these `categories`, such as c2,malware")
	f.StringSliceVar(&kinds, "kind", nil, "only these `kinds` of address, prefix, domain and url")
	f.IntVar(&o.Filter.MinScore, "min-score", 0, "only what has this `score` or more")
	f.IntVar(&o.Filter.Max, "max", 0, "at most this `number`, the ones with the highest scores")
	f.StringVar(&o.Name, "name", "", "`name` of the nftables table, stem of the names of ipset's sets (default flowhound)")
	f.StringVar(&o.Zone, "zone", "", "name of the rpz `zone` (default rpz.flowhound)")
	f.StringVar(&o.Action, "action", "", "what the rpz zone does: nxdomain (the default), nodata, passthru, drop, tcp-only, cname; allow makes the zone of what is allowed")
	f.StringVar(&o.CNAME, "cname", "", "`name` of the walled garden for --action cname")
	return cmd
}

// parseAll appends each word, read as a T.
func parseAll[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](to *[]T, words []string) error {
	for _, word := range words {
		var x T
		if err := P(&x).UnmarshalText([]byte(word)); err != nil {
			return err
		}
		*to = append(*to, x)
	}
	return nil
}

func runExport(cmd *cobra.Command, src *source, o export.Options, path string) error {
	cfg, err := src.config()
	if err != nil {
		return err
	}
	for _, name := range o.Filter.Feeds {
		if !slices.ContainsFunc(cfg.Feeds, func(f feed.Source) bool { return f.Name == name }) {
			return usageError(fmt.Errorf("there is no feed %q in the configuration", name))
		}
	}
	set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
	if err != nil {
		return err
	}
	var s export.Stats
	said := "written"
	if path == "" {
		s, err = export.Write(cmd.OutOrStdout(), set, o)
	} else {
		var changed bool
		if s, changed, err = export.File(path, set, o); !changed {
			said = "unchanged"
		}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", said, s)
	return err
}

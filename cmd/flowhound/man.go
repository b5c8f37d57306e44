package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes man pages of the commands, for packages. It is hidden: people
// have what is in them in --help.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write a man page for each command",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same pages from the same sources
			header := &doc.GenManHeader{Section: "8", Source: "flowhound " + buildInfo().Version, Manual: "System Administration", Date: sourceDate()}
			return doc.GenManTree(root, header, args[0])
		},
	}
}

// sourceDate is the date of the sources (reproducible-builds.org), or today.
func sourceDate() *time.Time {
	t := time.Now().UTC()
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		t = time.Unix(s, 0).UTC()
	}
	return &t
}

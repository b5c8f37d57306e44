package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
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
			return writeManPages(cmd.Root(), args[0], sourceDate())
		},
	}
}

// sourceDate is the date of the sources (reproducible-builds.org), or today.
func sourceDate() time.Time {
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(s, 0).UTC()
	}
	return time.Now().UTC()
}

// writeManPages writes the page of a command and those of all below it.
func writeManPages(cmd *cobra.Command, folder string, date time.Time) error {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			if err := writeManPages(c, folder, date); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(folder, manName(cmd)+".8"), []byte(manPage(cmd, date)), 0o644) //nolint:gosec // for everybody
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
)

func feedRemoveCommand() *cobra.Command {
	var path string
	var dry bool
	cmd := &cobra.Command{
		Use:   "remove [-c FILE] NAME",
		Short: "Remove a feed from the configuration",
		Long: `remove takes the block of a feed out of the configuration; everything else in the
file stays as it is, comments too. A running flowhound takes it over by itself. The
feed's own file or key stays where it is.`,
		Example:           "  flowhound feed remove tor",
		Args:              oneArg("name a feed; flowhound feed list shows them"),
		ValidArgsFunction: completeFeeds(&path),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.RemoveFeed(path, args[0])
			return carryOut(cmd, c, err, "removed from", dry)
		},
	}
	editFlags(cmd, &path, &dry)
	return cmd
}

// ending is when an entry ends, by --for or --until.
type ending struct {
	lasts time.Duration
	until string
}

func (e *ending) flags(cmd *cobra.Command) {
	cmd.Flags().Var((*span)(&e.lasts), "for", "how long: 12h, 7d")
	cmd.Flags().Lookup("for").DefValue = ""
	cmd.Flags().StringVar(&e.until, "until", "", "until when: a `date`, or a time such as 2027-01-31T18:00:00Z")
}

func (e *ending) time(needed bool) (time.Time, error) {
	switch {
	case e.lasts > 0 && e.until != "":
		return time.Time{}, errors.New("--for and --until are both set; remove one")
	case e.lasts > 0:
		return time.Now().Add(e.lasts), nil
	case e.until == "" && needed:
		return time.Time{}, errors.New("say for how long, for example --for 7d")
	case e.until == "":
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, e.until); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, e.until)
	if err != nil {
		return t, fmt.Errorf("--until: %.50q is not a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z", e.until)
	}
	return t, nil
}

func editFlags(cmd *cobra.Command, path *string, dry *bool) {
	configFlag(cmd, path)
	cmd.Flags().BoolVar(dry, "dry-run", false, "show what would change, and change nothing")
}

// carryOut writes a change and says what it was.
func carryOut(cmd *cobra.Command, c *config.Change, err error, what string, dry bool) error {
	if err != nil {
		return editError(cmd, err)
	}
	if dry {
		what = "would be " + what
	} else if err := c.Write(); err != nil {
		return editError(cmd, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s:\n\n%s\n", what, c.File, strings.Trim(c.Text, "\r\n"))
	return err
}

// editError says what to do where the file is root's.
func editError(cmd *cobra.Command, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: only its owner may change it; run: sudo %s again", err, cmd.CommandPath())
	}
	return usageError(err)
}

// whoami is who gave the command: behind sudo too.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

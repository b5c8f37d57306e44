package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert"
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

func allowCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "allow",
		Short: "Manage the allow lists: what is on them is never reported",
	}, allowAddCommand(), allowRemoveCommand())
}

func allowAddCommand() *cobra.Command {
	var path string
	var dry bool
	var a config.Allowed
	var end ending
	cmd := &cobra.Command{
		Use:   "add [-c FILE] ADDRESS|NETWORK|NAME --why REASON",
		Short: "Add an entry to an allow list, so that no feed can report it",
		Long: `add writes a line into the first list of allow in the configuration, or makes
allow.txt beside it where there is none. A name stands for itself, .example.com for
example.com and all names below it. A running flowhound takes it over by itself. To
keep one of your hosts quiet instead, see flowhound mute.`,
		Example: `  flowhound allow add 198.51.100.7 --why "our own mail host"
  flowhound allow add .example.com --for 7d --why "being checked, ticket 4711"`,
		Args:              oneArg("name an address, a network or a domain"),
		ValidArgsFunction: completeAddresses(&path),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			a.What, a.By, a.At = args[0], whoami(), time.Now()
			if a.Until, err = end.time(false); err != nil {
				return usageError(err)
			}
			c, err := config.AddAllow(path, a)
			return carryOut(cmd, c, err, "added to", dry)
		},
	}
	editFlags(cmd, &path, &dry)
	end.flags(cmd)
	cmd.Flags().StringVar(&a.Why, "why", "", "the `reason`, which lookup shows")
	cmd.Flags().StringVar(&a.List, "list", "", "the `file`, one of those of allow (default: the first)")
	return cmd
}

func allowRemoveCommand() *cobra.Command {
	var path string
	var dry bool
	cmd := &cobra.Command{
		Use:     "remove [-c FILE] ADDRESS|NETWORK|NAME",
		Short:   "Remove an entry from the allow lists",
		Example: "  flowhound allow remove 198.51.100.7",
		Args:    oneArg("name an address, a network or a domain, as the list has it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.RemoveAllow(path, args[0])
			return carryOut(cmd, c, err, "removed from", dry)
		},
	}
	editFlags(cmd, &path, &dry)
	return cmd
}

func muteCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "mute",
		Short: "Mute alerts for a while, with a reason, or unmute them",
	}, muteListCommand(), muteAddCommand(), muteRemoveCommand())
}

func muteListCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "list [-c FILE]",
		Short: "Show what is muted, until when and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			for i := range cfg.Mute {
				m := &cfg.Mute[i]
				end := "until " + m.Until.Local().Format("2006-01-02 15:04")
				if m.Over(time.Now()) {
					end = "ended " + m.Until.Local().Format("2006-01-02 15:04")
				}
				by := ""
				if m.By != "" {
					by = " (" + m.By + ")"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s%s\n", m.String(), end, m.Why, by)
			}
			if len(cfg.Mute) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing is muted")
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func muteAddCommand() *cobra.Command {
	var path string
	var dry bool
	var m alert.Mute
	var what muted
	var end ending
	cmd := &cobra.Command{
		Use:   "add [-c FILE] ADDRESS|NETWORK|CATEGORY... --for TIME --why REASON",
		Short: "Mute the alerts of a host, about an address, or of a category",
		Long: `add writes an entry into mute of the configuration. One of your own addresses mutes
what it calls, another one what is said about it, a category such as scanner all of
that kind; of several all must fit. --src and --ioc say which of the two is meant. A
running flowhound takes it over by itself, and says when it ends.`,
		Example: `  flowhound mute add 10.1.2.3 scanner --for 7d --why "our own scanner"
  flowhound mute add 198.51.100.0/24 --until 2027-01-31 --why "being cleaned up"`,
		ValidArgsFunction: completeAddresses(&path),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if m, err = what.parse(path, args); err != nil {
				return usageError(err)
			}
			if m.Until, err = end.time(true); err != nil {
				return usageError(err)
			}
			m.Why, m.By, m.At = cmd.Flag("why").Value.String(), whoami(), time.Now()
			c, err := config.AddMute(path, m)
			return carryOut(cmd, c, err, "added to", dry)
		},
	}
	editFlags(cmd, &path, &dry)
	what.flags(cmd)
	end.flags(cmd)
	cmd.Flags().String("why", "", "the `reason`")
	return cmd
}

func muteRemoveCommand() *cobra.Command {
	var path string
	var dry bool
	var what muted
	cmd := &cobra.Command{
		Use:     "remove [-c FILE] ADDRESS|NETWORK|CATEGORY...",
		Short:   "Remove a mute, so that its alerts are reported again",
		Example: "  flowhound mute remove 10.1.2.3 scanner",
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := what.parse(path, args)
			if err != nil {
				return usageError(err)
			}
			c, err := config.RemoveMute(path, m)
			return carryOut(cmd, c, err, "removed from", dry)
		},
	}
	editFlags(cmd, &path, &dry)
	what.flags(cmd)
	return cmd
}

// muted is what is muted, by flags or by arguments that say it themselves.
type muted struct{ src, ioc, cat string }

func (w *muted) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.src, "src", "", "source `address` or network of your own")
	cmd.Flags().StringVar(&w.ioc, "ioc", "", "listed `address` or network")
	cmd.Flags().StringVar(&w.cat, "cat", "", "`category`, such as scanner")
	completeFlag(cmd, "cat", fixed(categories()...))
}

// parse tells own addresses from listed ones by networks.local of the configuration.
func (w *muted) parse(path string, args []string) (m alert.Mute, err error) {
	if len(args) == 0 && *w == (muted{}) {
		return m, errors.New("name what is muted: an address, a network or a category")
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return m, err
	}
	own := func(p netip.Prefix) bool {
		for _, l := range cfg.Networks.Own() {
			if l.Bits() <= p.Bits() && l.Contains(p.Addr()) {
				return true
			}
		}
		return false
	}
	for _, a := range args {
		p, err := networkOf(a)
		switch {
		case err == nil && own(p) && w.src == "":
			w.src = a
		case err == nil && !own(p) && w.ioc == "":
			w.ioc = a
		case err == nil:
			return m, fmt.Errorf("%s is one address too many: an entry has one source address and one listed address", a)
		case w.cat == "" && isCategory(a):
			w.cat = a
		default:
			return m, fmt.Errorf("%.100q is not an address, network or category (%s)", a, strings.Join(categories(), ", "))
		}
	}
	if w.cat != "" && !isCategory(w.cat) {
		return m, fmt.Errorf("%.100q is not a category (%s)", w.cat, strings.Join(categories(), ", "))
	}
	m.Cat = w.cat
	for _, side := range []struct {
		text string
		into *netip.Prefix
	}{{w.src, &m.Src}, {w.ioc, &m.IOC}} {
		if side.text == "" {
			continue
		}
		if *side.into, err = networkOf(side.text); err != nil {
			return m, err
		}
	}
	return m, nil
}

func isCategory(s string) bool { return slices.Contains(categories(), s) }

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

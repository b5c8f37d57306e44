package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
)

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

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
)

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

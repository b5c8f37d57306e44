package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// unknownCommand says that cmd has no command of this name, and which one may be meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	if meant := nearest.Word(name, names); meant != "" {
		return fmt.Errorf("unknown command %q; did you mean %s %s?", name, cmd.CommandPath(), meant)
	}
	return fmt.Errorf("unknown command %q; see %s --help", name, cmd.CommandPath())
}

// flagMistake says what is wrong with an option, and which one may be meant.
func flagMistake(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if said := foreignOption(cmd, unknown.GetSpecifiedName()); said != "" {
			dashes := "--"
			if unknown.GetSpecifiedShortnames() != "" {
				dashes = "-"
			}
			return usageError(fmt.Errorf("unknown option %s%s: %s", dashes, unknown.GetSpecifiedName(), said))
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if meant := nearest.Word(unknown.GetSpecifiedName(), names); meant != "" {
			return usageError(fmt.Errorf("unknown option --%s; did you mean --%s?", unknown.GetSpecifiedName(), meant))
		}
	}
	return usageError(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
}

// oneArg wants one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs { return wants(what, 1) }

// someArgs wants one argument or more and says what they are.
func someArgs(what string) cobra.PositionalArgs { return wants(what, 1<<30) }

func wants(what string, most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < 1 || len(args) > most {
			return errors.New(what)
		}
		return nil
	}
}

// usageArgs makes a wrong number of arguments a usage error that says what is wanted.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case strings.HasPrefix(err.Error(), "unknown command"): // Cobra's word for an argument that is not wanted
			return usageError(fmt.Errorf("%s takes no argument %q; see %[1]s --help", cmd.CommandPath(), args[0]))
		case strings.Contains(err.Error(), "arg(s)"): // Cobra's, which counts
			return usageError(fmt.Errorf("usage: %s%s; see %s --help", strings.TrimSuffix(cmd.CommandPath(), cmd.Name()), cmd.Use, cmd.CommandPath()))
		}
		return usageError(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
	}
}

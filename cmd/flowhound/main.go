// Command flowhound watches NetFlow and IPFIX for conversations with known-bad
// addresses. Each command lives in a file of its own and holds no logic: that is
// in the packages under cmd/internal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/plugin/host"
	"github.com/flowhound/flowhound/plugin/text"
)

// The exit statuses that scripts may rely on.
const (
	exitFine    = 0
	exitFailed  = 1
	exitUsage   = 2 // wrong usage or configuration
	exitNoMatch = 3 // lookup found nothing

	exitInterrupted = 130 // by SIGINT or SIGTERM, as shells say it of SIGINT
)

const defaultConfig = "/etc/flowhound/flowhound.yaml"

// exitError is an error that names its exit status. An empty err says nothing
// more than was already printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error { return &exitError{exitUsage, err} }

func main() { os.Exit(run()) }

func run() int {
	host.Guard() // of a plugin, if that is what this process was started for
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted // whoever asked for the end knows why
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(os.Stderr, "flowhound: %s\n", text.Screen(strings.TrimSuffix(msg, "\n")))
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "flowhound",
		Short: "Warns when anything on the network talks to a known-bad address",
		Long: `flowhound listens to the NetFlow and IPFIX that routers export, matches every flow
against your blacklists, writes what it finds as lines that OSSEC and Wazuh decode,
and keeps the flows, to be searched later. Start with "flowhound demo".`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}, runCommand(), demoCommand(), replayCommand(), statusCommand(), testCommand(), hitsCommand(), flowsCommand(), huntCommand(), topCommand(), historyCommand(), checkCommand(), lookupCommand(), feedCommand(), allowCommand(), muteCommand(), exportCommand(), outputCommand(), userCommand(), installCommand(), uninstallCommand(), doctorCommand(), manCommand(), versionCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Version = buildInfo().String()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(flagMistake)
	return root
}

// group makes cmd one that does nothing but have commands.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.DisableFlagsInUseLine = true
	cmd.Args = cobra.ArbitraryArgs // RunE says it better
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError(unknownCommand(cmd, args[0]))
		}
		return cmd.Help()
	}
	cmd.AddCommand(commands...)
	for _, c := range commands {
		c.Args = usageArgs(c.Args)
	}
	return cmd
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/setup"
)

func installCommand() *cobra.Command {
	return wiringCommand(setup.Install, &cobra.Command{
		Use:   "install [-c FILE]",
		Short: "Configure this host's OSSEC or Wazuh to read flowhound's alerts",
		Long: `install finds OSSEC 3 or 4 or Wazuh 4 and wires flowhound in: a manager gets
decoders, rules and the log, an agent the log alone. The engine checks its own
configuration before and after; when it complains, everything is put back. It is
restarted with --restart only. Running it again takes a newer version over.`,
		Example: "  sudo flowhound install --dry-run\n  sudo flowhound install --restart",
	})
}

func uninstallCommand() *cobra.Command {
	return wiringCommand(setup.Uninstall, &cobra.Command{
		Use:   "uninstall [-c FILE]",
		Short: "Remove flowhound from this host's OSSEC or Wazuh, byte for byte",
		Long: `uninstall removes what install has put into OSSEC or Wazuh and nothing else. The
program, its configuration and its data stay: install.sh --uninstall removes those.`,
	})
}

// wiringCommand gives cmd the flags that install and uninstall share.
func wiringCommand(do func(context.Context, setup.Options) error, cmd *cobra.Command) *cobra.Command {
	var path string
	var o setup.Options
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// What is taken out is found by its marks: a mistake in the configuration keeps nobody from it.
		if err := takeLog(&o, path, cmd.Flags().Changed("config")); err != nil && cmd.Name() != "uninstall" {
			return err
		}
		o.Say = func(format string, args ...any) { fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...) }
		return do(cmd.Context(), o)
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&o.Root, "root", "/", "`folder` that is the host's root, for images and packages")
	cmd.Flags().StringVar(&o.Home, "home", "", "`folder` of OSSEC or Wazuh, below root (default: detected, or /var/ossec)")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&o.Restart, "restart", false, "restart OSSEC or Wazuh afterwards")
	return cmd
}

// takeLog fills in where the alert log is and what it holds. A host without a
// configuration has the default log.
func takeLog(o *setup.Options, path string, given bool) error {
	if !given {
		path = filepath.Join(o.Root, path)
	}
	cfg, err := config.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !given:
		cfg = config.Default()
	case err != nil:
		o.LogPath = config.Default().Log.Path
		return usageError(err)
	}
	o.LogPath, o.JSONLog = cfg.Log.Path, cfg.Log.Format == logfile.JSON
	return nil
}

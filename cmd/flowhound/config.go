package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
)

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", defaultConfig, "configuration `file`")
}

// loadConfig reads the configuration; what is wrong with it is exit status 2.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError(fmt.Errorf("there is no configuration %s: write one (see README) or name it with -c", path))
	}
	if err != nil {
		return nil, usageError(err)
	}
	return cfg, nil
}

// source is where a command takes indicators and settings from: a configuration,
// or lists named on the command line.
type source struct {
	path       string
	blacklists []string
}

func (s *source) flags(cmd *cobra.Command) {
	configFlag(cmd, &s.path)
	cmd.Flags().StringArrayVar(&s.blacklists, "blacklist", nil, "match against this `list` or OTX document alone, without a configuration (repeatable)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if cmd.Flags().Changed("config") && cmd.Flags().Changed("blacklist") {
			return usageError(fmt.Errorf("give either -c or --blacklist, not both; see %s --help", cmd.CommandPath()))
		}
		return nil
	}
}

func (s *source) config() (*config.Config, error) {
	if len(s.blacklists) == 0 {
		return loadConfig(s.path)
	}
	return config.OfLists(s.blacklists)
}

// stderrLog is where commands other than run say what went wrong on the way.
func stderrLog(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
}

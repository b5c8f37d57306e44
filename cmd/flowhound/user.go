package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowhound/flowhound/cmd/internal/web/users"
)

func userCommand() *cobra.Command {
	var path string
	cmd := group(&cobra.Command{
		Use:   "user",
		Short: "Manage who may log in to the web pages",
		Long: `user keeps the file that web.users names: who may see the pages, and who may mute
and allow from there (the role operator). The running agent follows it at once; a
user who is removed is logged out.`,
	}, userAddCommand(&path), userRemoveCommand(&path), userListCommand(&path))
	cmd.PersistentFlags().StringVarP(&path, "config", "c", defaultConfig, "configuration file")
	return cmd
}

func userAddCommand(path *string) *cobra.Command {
	var role string
	var token bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user, and ask for the password",
		Long: `add asks for a password, or reads it from standard input where that is no terminal.
With --token the user is a program, such as Prometheus: a token is made and printed
once, for the header "Authorization: Bearer TOKEN".`,
		Example: `  flowhound user add anna --role operator
  flowhound user add prometheus --token`,
		Args: oneArg("name the user, for example: flowhound user add anna"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := usersFile(*path)
			if err != nil {
				return err
			}
			var u users.User
			secret := ""
			if token {
				u, secret, err = users.ForToken(args[0], users.Role(role))
			} else if err = users.Check(args[0], users.Role(role)); err == nil {
				var password []byte
				if password, err = askPassword(cmd, args[0]); err != nil {
					return err
				}
				u, err = users.ForPassword(args[0], users.Role(role), password)
			}
			if err != nil {
				return usageError(err)
			}
			if err := users.Add(file, u, *path); errors.Is(err, users.ErrThere) {
				return usageError(fmt.Errorf("%w; to change the password: flowhound user remove %s, then add it again", err, u.Name))
			} else if err != nil {
				return editError(cmd, err)
			}
			if token {
				fmt.Fprintf(cmd.ErrOrStderr(), "This is the token of %s. It is shown this once:\n", u.Name)
				_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may log in, with the role %s\n", u.Name, u.Role)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", string(users.Viewer), "viewer may look, operator may also mute and allow")
	cmd.Flags().BoolVar(&token, "token", false, "make a token for a program instead of asking for a password")
	completeFlag(cmd, "role", fixed(string(users.Viewer), string(users.Operator)))
	return cmd
}

func userRemoveCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a user, and end the user's sessions",
		Args:  oneArg("name the user, for example: flowhound user remove anna"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := usersFile(*path)
			if err != nil {
				return err
			}
			if err := users.Remove(file, args[0]); err != nil {
				return editError(cmd, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may not log in any more\n", args[0])
			return err
		},
	}
}

func userListCommand(path *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show who may log in",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := usersFile(*path)
			if err != nil {
				return err
			}
			all, err := users.Read(file)
			if errors.Is(err, fs.ErrNotExist) {
				all, err = nil, nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			for _, u := range all {
				line := fmt.Sprintf("%-20s %-9s %s\n", u.Name, u.Role, map[bool]string{true: "token", false: "password"}[u.Token()])
				if asJSON {
					b, _ := json.Marshal(struct {
						users.User
						Token bool `json:"token"`
					}{u, u.Token()}) // a User always marshals
					line = string(b) + "\n"
				}
				if _, err := fmt.Fprint(cmd.OutOrStdout(), line); err != nil {
					return err
				}
			}
			if len(all) == 0 && !asJSON {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has no users; run: flowhound user add NAME\n", file)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each user")
	return cmd
}

// usersFile is the file that the configuration names.
func usersFile(path string) (string, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return "", err
	}
	if cfg.Web.Users == "" {
		return "", usageError(fmt.Errorf("%s does not say where users are kept; set, for example: web: {users: users}", path))
	}
	return cfg.Web.Users, nil
}

// askPassword asks twice on a terminal, and else reads one line.
func askPassword(cmd *cobra.Command, name string) ([]byte, error) {
	stdin, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadBytes('\n')
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return nil, usageError(fmt.Errorf("standard input has no password: %w", err))
		}
		return line, nil
	}
	ask := func(question string) ([]byte, error) {
		fmt.Fprint(cmd.ErrOrStderr(), question)
		defer fmt.Fprintln(cmd.ErrOrStderr())
		return term.ReadPassword(int(stdin.Fd()))
	}
	first, err := ask(fmt.Sprintf("Password of %s (%d characters at least): ", name, users.MinPassword))
	if err != nil {
		return nil, err
	}
	again, err := ask("The same again: ")
	if err == nil && !bytes.Equal(first, again) {
		err = usageError(errors.New("the two passwords differ; nothing was changed"))
	}
	return first, err
}

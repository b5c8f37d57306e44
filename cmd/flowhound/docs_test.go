package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var (
	inText  = regexp.MustCompile("(?s)`(?:sudo )?(flowhound [^`]+)`")
	inBlock = regexp.MustCompile(`(?m)^ {4,}(?:\$ )?(?:sudo )?(?:\S+/)?(flowhound [^\n#|>&]+)`)
)

// TestPagesNameCommands: the commands that the pages of the project name exist, with their
// options.
func TestPagesNameCommands(t *testing.T) {
	t.Parallel()
	n := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range slices.Concat(inText.FindAllStringSubmatch(string(page), -1), inBlock.FindAllStringSubmatch(string(page), -1)) {
			n++
			if err := parses(m[1]); err != nil {
				t.Errorf("%s: %s: %v", path, m[1], err)
			}
		}
		return nil
	})
	if err != nil || n < 80 {
		t.Errorf("%d commands: %v", n, err)
	}
}

// TestExamplesParse: the same of the examples in --help.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	var each func(cmd *cobra.Command)
	n := 0
	each = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			for _, part := range regexp.MustCompile(`flowhound [^\n|#>&;)]+`).FindAllString(line, -1) {
				n++
				if err := parses(part); err != nil {
					t.Errorf("%s: %s: %v", cmd.CommandPath(), part, err)
				}
			}
		}
		for _, c := range cmd.Commands() {
			each(c)
		}
	}
	each(rootCommand())
	if n < 30 {
		t.Errorf("%d examples only", n)
	}
}

var word = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)

// parses reports what is wrong with a command line: its command, its options or the number
// of its arguments.
func parses(line string) error {
	var args []string
	for _, w := range word.FindAllString(line, -1)[1:] {
		args = append(args, strings.Trim(w, `'"`))
	}
	for i, a := range args {
		args[i], _, _ = strings.Cut(a, "|") // add|remove
	}
	root := rootCommand()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil && !slices.Contains(rest, "--help") && !slices.Contains(rest, "--version") {
		return err
	}
	if len(cmd.Commands()) > 0 && cmd.Name() != "history" && cmd.Flags().NArg() > 0 {
		return unknownCommand(cmd, cmd.Flags().Arg(0))
	}
	return nil
}

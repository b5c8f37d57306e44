package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	ask "github.com/flowhound/flowhound/cmd/internal/history/query"
)

// joining is the option that puts the pieces of long conversations together.
type joining struct {
	gap time.Duration
	set *ask.Join
}

func (j *joining) flag(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var((*span)(&j.gap), "join", "put together the pieces of a long conversation that exporters cut, with `gap`s up to 1m, or as given: --join=5m")
	f.Lookup("join").DefValue = ""
	f.Lookup("join").NoOptDefVal = "1m"
}

// option returns what is asked for, nil for nothing. It is the same each time.
func (j *joining) option(cmd *cobra.Command) *ask.Join {
	if j.set == nil && cmd.Flags().Changed("join") {
		j.set = &ask.Join{Gap: j.gap}
	}
	return j.set
}

// say tells that conversations may be cut in two.
func (j *joining) say(cmd *cobra.Command) {
	if j.set != nil && j.set.Early > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s may stand in several rows: more went on at once than memory allows; ask for a shorter time or fewer addresses\n",
			counted(int(j.set.Early), "conversation", "conversations"))
	}
}

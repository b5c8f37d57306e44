package agent_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the lines of live exporters to testdata/golden")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

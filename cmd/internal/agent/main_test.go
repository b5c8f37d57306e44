package agent_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

var update = flag.Bool("update", false, "write the lines of live exporters to testdata/golden")

func TestMain(m *testing.M) {
	peer.Waiting()
	goleak.VerifyTestMain(m)
}

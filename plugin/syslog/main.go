// Command flowhound-output-syslog is the output of type syslog: it writes every
// hit as a syslog message, by RFC 5424 or RFC 3164, over UDP, TCP, TLS or a unix
// socket, to a collector, a SIEM, or the syslog receiver of OSSEC or Wazuh.
// flowhound starts it. README.md in its folder is for those who configure it.
package main

import (
	"runtime/debug"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

func main() { plugin.Serve(defaults()) }

// defaults returns the output as it is before the settings are read.
func defaults() *output {
	return &output{Payload: payloadLine, Facility: "local0", AppName: "flowhound", Timeout: 10 * time.Second, version: version()}
}

// version is the release that the Go toolchain stamped on this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

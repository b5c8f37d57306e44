package hit

import (
	"strconv"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// maxHost is the longest host name a header takes: Linux' HOST_NAME_MAX.
const maxHost = 64

// maxHeader is the longest header: 15 bytes of time, the host, the largest pid.
const maxHeader = len("Jan _2 15:04:05 ") + maxHost + len(" flowhound[2147483647]: ")

// AppendHeader appends the syslog header that OSSEC and Wazuh want before every
// line, "Jun  7 12:38:20 gw flowhound[123]: ", in local time (RFC 3164), and
// returns the longer buffer. Neither takes a host name with a colon or a space;
// all but letters, digits, '.', '_' and '-' become '-', and the rest after 64
// bytes goes.
func AppendHeader(b []byte, t time.Time, host string, pid int) []byte {
	b = t.Local().AppendFormat(b, time.Stamp)
	if host == "" {
		host = "localhost"
	}
	b = text.Host.Append(append(b, ' '), host, maxHost)
	b = strconv.AppendInt(append(b, " flowhound["...), int64(int32(pid)), 10)
	return append(b, "]: "...)
}

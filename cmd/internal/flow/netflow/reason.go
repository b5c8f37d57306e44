package netflow

import "errors"

// ErrNoTemplate says that a datagram held a set whose template has not come
// yet. The set is held for a few seconds in case it comes.
var ErrNoTemplate = errors.New("netflow: set without template: the exporter has not sent the template yet, and its flows cannot be read without it")

// Reason says why a part of a datagram could not be read. It is an error.
type Reason uint8

// The reasons.
const (
	BadVersion    Reason = iota // neither 5, 9 nor 10
	ShortHeader                 // datagram or message shorter than its header
	BadCount                    // header announces more or fewer records (v5) or bytes (IPFIX) than there are
	BadSetLength                // set length below 4: the rest of the message is lost
	Truncated                   // set or message claims more bytes than the datagram has
	ReservedSet                 // set id that no RFC gives a meaning
	BadTemplate                 // template id below 256, field list beyond its set, or too large
	EmptyRecord                 // data for a template of length 0
	BadRecord                   // variable-length field beyond its set
	BadList                     // structured data that is malformed, too deep or too much
	TrailingBytes               // something after the last set or message
	NumReasons    = iota
)

var reasonNames = [NumReasons]string{
	"version", "short_header", "count", "set_length", "truncated",
	"reserved_set", "template", "empty_record", "record", "list", "trailing_bytes",
}

// String returns the reason's name, as a metric's label has it.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Error returns the reason's name with the package's.
func (r Reason) Error() string { return "netflow: malformed: " + r.String() }

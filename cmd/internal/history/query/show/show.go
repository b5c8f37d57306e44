// Package show prints what the history answers: as a table for people, as JSON, CSV,
// Parquet or IPFIX for programs.
package show

import (
	"strconv"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// Writer writes flows in one form. Close ends the form and does not close what it
// writes to.
type Writer interface {
	Flow(*query.Found) error
	Close() error
}

// protocol returns the name of a protocol, or its number.
func protocol(n uint8) string {
	switch n {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 58:
		return "icmp6"
	}
	return strconv.Itoa(int(n))
}

// flags prints TCP flags as nfdump does.
func flags(n uint16) string {
	const letters = "CEUAPRSF"
	out := []byte("........")
	for i := range letters {
		if n&(1<<(len(letters)-1-i)) != 0 {
			out[i] = letters[i]
		}
	}
	return string(out)
}

// stamp returns a time of a record, which is 0 where the exporter sent none.
func stamp(ns int64, zone *time.Location) time.Time { return time.Unix(0, ns).In(zone) }

package hunt

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// nearby is how far from its arrival a flow began at most, for the search of flows that
// arrived in some time: what began longer before is found in the hours around it.
const nearby = 24 * time.Hour

// columns are what a find is judged by: all that package alert looks at, to the
// millisecond, but for when it arrived.
var columns = []column.ID{
	column.Start, column.Dur, column.Src, column.Dst, column.SrcPort, column.DstPort, column.Proto,
	column.Bytes, column.Packets, column.Flags, column.ICMPType, column.ICMPCode, column.NATSrc, column.NATDst, column.NATSrcPort, column.NATDstPort,
	column.Exporter, column.Domain, column.Sampling, column.Firewall, column.Direction, column.Has, column.RevHas, column.RevFlags, column.RevBytes, column.RevPackets,
}

// Options are how a history is asked for what a Finder takes. Records are told to have
// arrived when they ended: who asks by hand is not shown when, and to look it up takes a
// tenth of the time. alone: by Listed and nothing else, to which both directions of a
// conversation are alike.
func Options(alone bool) query.RecordOptions {
	return query.RecordOptions{Biflow: true, Only: columns, Symmetric: alone}
}

// Listed accepts the flows of which an address, before or after translation, is in a set.
func Listed(set *query.AddrSet) query.Filter {
	return query.AnyOf(query.AddressIn(query.SrcIP, set), query.AddressIn(query.DstIP, set), query.AddressIn(query.NATSrcIP, set), query.AddressIn(query.NATDstIP, set))
}

// In returns the Search of the history in a folder. sync brings what was received to the
// disk; nil: nobody writes there. A history that does not exist yet is empty, and files that
// cannot be read are left out and logged.
func In(dir string, sync func(context.Context) error, log *slog.Logger) Search {
	return func(ctx context.Context, listed *query.AddrSet, from time.Time, each func(*flow.Record) error) error {
		if sync != nil {
			if err := sync(ctx); err != nil {
				return err
			}
		}
		q := query.Question{
			Filter: Listed(listed), Start: from.Add(-nearby), Workers: 1,
			Damaged: func(path string, err error) { log.Warn("the hunt skips a damaged file", "file", path, "err", err) },
		}
		data, closed, err := query.Open(dir, q.Start, time.Time{}, nil)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer closed()
		o := Options(true)
		o.Only = append(slices.Clone(columns), column.ReceivedLag, column.ReceivedNth)
		_, err = data.Records(ctx, q, o, func(f *query.Found) error { return each(&f.Record.Record) })
		return err
	}
}

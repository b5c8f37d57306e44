// Package dataset is history as it lies on disk: which files there are, and how they
// change while others read them.
//
//	DIR/lock                      held by the one process that writes
//	DIR/hold                      holds nothing; while its time is to come, no flow is removed for its age
//	DIR/log/NNNNNNNNNN.wal        records that stand in no file yet (package wal)
//	DIR/log/id                    the name of this log, which all that is made of it carries
//	DIR/YYYY-MM-DD/               a day of arrival, UTC
//	    HH-pNNNNNNNNNN.parquet    a part: what arrived in up to 5 minutes of the hour
//	    HH-hNNNNNNNNNN.parquet    parts of the hour made one
//	    manifest                  which files belong to the day, and which segments of the log they hold
//	    addresses, countries, services, largest   indexes of the day's hour files
//	DIR/damaged/                  files that could not be read
//
// A manifest changes in one step, and so does a day. Files that were replaced get the
// ending .old and stay for ten minutes, for those who have read the manifest before.
// Reading takes no lock, and any number of processes may do it.
package dataset

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	manifestName = "manifest"
	logName      = "log"
	lockName     = "lock"
	holdName     = "hold"
	damagedName  = "damaged"
	suffix       = ".parquet"
	oldSuffix    = ".old"
	dayFormat    = "2006-01-02"
)

// dayOf returns the folder for what arrived at a time in Unix nanoseconds.
func dayOf(received int64) string {
	return time.Unix(0, received).UTC().Format(dayFormat)
}

// isDay reports whether a folder's name is a day.
func isDay(name string) bool {
	t, err := time.Parse(dayFormat, name)
	return err == nil && t.Format(dayFormat) == name
}

// Name is the parsed name of a file.
type Name struct {
	Hour   int
	Part   bool   // a part, else an hour's
	Number uint64 // that of the segment of the log whose records are its newest; it tells nobody that these are filed
	Again  int    // how often files of this name were written anew
}

func (n Name) String() string {
	kind := 'h'
	if n.Part {
		kind = 'p'
	}
	again := ""
	if n.Again > 0 {
		again = "." + strconv.Itoa(n.Again)
	}
	return fmt.Sprintf("%02d-%c%010d%s%s", n.Hour, kind, n.Number, again, suffix)
}

// parseName reads the name of a file of history; others are not ok.
func parseName(s string) (n Name, ok bool) {
	var kind rune
	body, found := strings.CutSuffix(s, suffix)
	body, again, _ := strings.Cut(body, ".")
	if _, err := fmt.Sscanf(body, "%02d-%c%d", &n.Hour, &kind, &n.Number); err != nil || !found {
		return Name{}, false
	}
	n.Part = kind == 'p'
	n.Again, _ = strconv.Atoi(again)
	return n, n.String() == s && n.Hour < 24
}

// LogDir is where the log of a data set lies.
func LogDir(dir string) string { return filepath.Join(dir, logName) }

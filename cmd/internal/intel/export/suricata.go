package export

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"iter"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// writeSuricata writes an IP reputation file: address or network, number of the
// category, score. Rules ask for it by the category's name:
//
//	alert ip $HOME_NET any -> any any (msg:"c2"; iprep:dst,c2,>,70; sid:1;)
//
// https://docs.suricata.io/en/latest/reputation/ipreputation/ip-reputation-format.html
func writeSuricata(w *bufio.Writer, entries iter.Seq[intel.Indicator], _ *Options, s *Stats) error {
	for i := range entries {
		// 0 is Suricata's word for "no data".
		fmt.Fprintf(w, "%s,%d,%d\n", written(&i), suricataCategory(i.Category), max(i.Score, 1))
		s.Written++
	}
	return nil
}

// suricataCategory numbers the categories from 1; Suricata takes up to 60.
func suricataCategory(c intel.Category) int { return int(c) + 1 }

// writeSuricataCategories writes the file that names the numbers of writeSuricata.
// It holds all categories whatever is listed, because Suricata reads it at its
// start only.
func writeSuricataCategories(w *bufio.Writer, _ iter.Seq[intel.Indicator], _ *Options, _ *Stats) error {
	for c := range intel.Category(intel.NumCategories) {
		fmt.Fprintf(w, "%d,%s,flowhound: %s\n", suricataCategory(c), c, c)
	}
	return nil
}

// writeSuricataDomains writes a data set of type string, one name in base64 a
// line, for rules such as
//
//	alert dns any any -> any any (msg:"listed"; dns.query; to_lowercase; dataset:isset,listed,type string,load listed.lst; sid:2;)
//
// A data set matches whole names, so sub-domains of a listed name are not found.
func writeSuricataDomains(w *bufio.Writer, entries iter.Seq[intel.Indicator], _ *Options, s *Stats) error {
	var line []byte
	for i := range entries {
		line = append(base64.StdEncoding.AppendEncode(line[:0], []byte(i.Domain)), '\n')
		w.Write(line)
		s.Written++
	}
	return nil
}

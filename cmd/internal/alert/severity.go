package alert

import (
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// row is a category's line of the severity table, for scores of 50 and more.
type row struct {
	outEstablished, outElse hit.Severity
	inEstablished, inElse   hit.Severity
}

var (
	rowCompromise = row{hit.High, hit.High, hit.High, hit.Low}
	rowPhishing   = row{hit.High, hit.Medium, hit.Medium, hit.Info}
	rowNoise      = row{hit.Medium, hit.Low, hit.Medium, hit.Info}
	rowNuisance   = row{hit.Medium, hit.Low, hit.Low, hit.Info}
)

// Severity is the built-in severity table. Score is 0-100; served says that
// bytes went both ways on a port that servers answer on. Internal reads as
// outbound, transit as inbound. Below a score of 50 it is one step less.
func Severity(c intel.Category, score uint8, d hit.Direction, s hit.State, served bool) hit.Severity {
	var r row
	switch c {
	case intel.C2, intel.Malware, intel.Botnet:
		r = rowCompromise
		if score >= 80 {
			r.outEstablished = hit.Critical
		}
	case intel.Phishing:
		r = rowPhishing
	case intel.Scanner, intel.Bruteforce, intel.DDoS:
		r = rowNoise
		if served {
			r.inEstablished = hit.High
		}
	default:
		r = rowNuisance
	}
	sev := r.at(d == hit.Outbound || d == hit.Internal, s == hit.Established)
	if score < 50 && sev > hit.Info {
		sev--
	}
	return sev
}

func (r row) at(outbound, established bool) hit.Severity {
	switch {
	case outbound && established:
		return r.outEstablished
	case outbound:
		return r.outElse
	case established:
		return r.inEstablished
	}
	return r.inElse
}

// Severity is the table with the categories fixed by the configuration: theirs
// is the same whatever the score, direction and state.
func (p *Policy) Severity(c intel.Category, score uint8, d hit.Direction, s hit.State, served bool) hit.Severity {
	if fixed, ok := p.severity[c]; ok {
		return fixed
	}
	return Severity(c, score, d, s, served)
}

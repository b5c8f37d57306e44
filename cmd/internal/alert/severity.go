package alert

import (
	"slices"
	"time"

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

const (
	// ServedBytes is what a server sends at most with an error page or a rejected
	// password, over a whole conversation.
	ServedBytes = 20_000
	// LoginGrace is how long servers wait for a password: OpenSSH's default.
	LoginGrace = 2 * time.Minute
)

// logins are the ports of services that ask for a password before all else: FTP, SSH,
// Telnet, mail, SMB, SQL, RDP, VNC, WinRM, Winbox, Redis, MongoDB.
var logins = map[uint16]bool{
	21: true, 22: true, 23: true, 25: true, 110: true, 139: true, 143: true, 445: true, 465: true, 587: true, 993: true, 995: true,
	1433: true, 1521: true, 2222: true, 2323: true, 3306: true, 3389: true, 5432: true, 5900: true, 5901: true, 5985: true, 5986: true,
	6379: true, 8291: true, 27017: true,
}

// Severity is the built-in severity table. Score is 0-100; served says that a local
// server gave more than a refusal. Internal reads as outbound, transit as inbound.
// Below a score of 50 it is one step less.
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

// severityOf is what an indicator makes of an event: the table, then what is known
// of the address, then the volume.
func (p *Policy) severityOf(e *Event, i *intel.Indicator) hit.Severity {
	if fixed, ok := p.severity[i.Category]; ok {
		return fixed
	}
	sev := Severity(i.Category, i.Confidence(), e.Direction, e.State, e.served())
	if i.Elsewhere {
		sev = min(sev, elsewhere(i))
	}
	if i.Scanner != "" && e.Direction == hit.Inbound {
		sev = hit.Info
	}
	if e.Raised && sev < hit.Critical {
		sev++
	}
	return sev
}

// elsewhere is the most that an indicator on address and port says of another port:
// the address may be shared by many, and of a content network it is.
func elsewhere(i *intel.Indicator) hit.Severity {
	if i.Shared != "" && inRow(i.Category, intel.C2, intel.Malware, intel.Botnet) {
		return hit.Low
	}
	return hit.Medium
}

func inRow(c intel.Category, row ...intel.Category) bool { return slices.Contains(row, c) }

package abusech

import (
	"encoding/json"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// controller is one entry of Feodo Tracker's list.
type controller struct {
	Address    ingest.Scalar `json:"ip_address"`
	Port       ingest.Scalar `json:"port"`
	FirstSeen  ingest.Scalar `json:"first_seen"`
	LastOnline ingest.Scalar `json:"last_online"`
	Malware    ingest.Scalar `json:"malware"`
}

// ParseFeodo reads Feodo Tracker's block list, as JSON or CSV, and calls emit for
// each controller, which returns why it is rejected, or "" when it is kept. A bad
// entry costs that entry; a list without entries is fine. The error is
// ingest.ErrWebPage, ingest.ErrBinary or ErrNotFeodo, wrapped, says where the
// JSON is damaged or ended early, or is the reader's; what was emitted until
// then should be thrown away.
func ParseFeodo(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, ErrNotFeodo, emit)
	br, isJSON, err := p.start(r)
	if err != nil {
		return p.drops, err
	}
	if isJSON {
		return p.drops, p.feodoJSON(ingest.NewJSON(br))
	}
	found, err := readTable(br, "dst_ip", p.drops, func(t *table) {
		c := controller{Address: ingest.Scalar(t.get("dst_ip")), Port: ingest.Scalar(t.get("dst_port")),
			FirstSeen: ingest.Scalar(t.get("first_seen_utc")), LastOnline: ingest.Scalar(t.get("last_online")), Malware: ingest.Scalar(t.get("malware"))}
		p.feodo(&c, t.lines.N())
	})
	if err == nil && !found {
		err = p.none("")
	}
	return p.drops, err
}

func (p *parser) feodoJSON(in *ingest.JSON) error {
	var refusal struct {
		Error ingest.Scalar `json:"error"`
	}
	token, err := in.Token()
	if err != nil {
		return in.Explain(err)
	}
	if token == json.Delim('{') { // what abuse.ch says to the unauthorised
		err := in.Fields(func(key string) error {
			if key == "error" {
				_, err := in.Decode(&refusal.Error)
				return err
			}
			return in.Skip()
		})
		if err != nil {
			return in.Explain(err)
		}
		return p.none(string(refusal.Error))
	}
	err = in.Items(func() error {
		var c controller
		ok, err := in.Decode(&c)
		if err == nil && !ok {
			p.drops.Add(ingest.Unreadable, 0, "no object")
		} else if err == nil {
			p.feodo(&c, 0)
		}
		return err
	})
	if err == nil {
		err = in.End()
	}
	return in.Explain(err)
}

// feodo emits one controller.
func (p *parser) feodo(c *controller, line int) {
	i := p.template
	text := string(c.Address)
	why := ingest.Parse(text, &i)
	if why == "" && !i.Prefix.IsValid() {
		why = ingest.Unreadable
	}
	if why != "" {
		p.drops.Add(why, line, text)
		return
	}
	p.entries++
	if port := portOf(string(c.Port)); port != 0 {
		i.Port = port
	}
	i.FirstSeen, i.LastSeen = ingest.When(string(c.FirstSeen)), ingest.When(string(c.LastOnline))
	if name := ingest.Text(given(string(c.Malware)), ingest.MaxName); name != "" {
		i.Name, i.Tags = name, ingest.JoinTags([]string{name})
	}
	p.keep(i, line, text)
}

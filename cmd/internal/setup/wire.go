package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/flowhound/flowhound/decoders"
	"github.com/flowhound/flowhound/rules"
)

// The files that are flowhound's own, by folder and content.
type dropIn struct {
	name    string
	content string
	bind    bool // needs the stock rules about named
}

func (e *Engine) dropIns() []dropIn {
	if e.Kind == Wazuh {
		return []dropIn{
			{"etc/decoders/flowhound_decoders.xml", decoders.Wazuh, false},
			{"etc/rules/flowhound_rules.xml", rules.Wazuh, false},
			{"etc/decoders/0001-flowhound_bind_decoders.xml", decoders.WazuhBind, true},
			{"etc/rules/flowhound_bind_rules.xml", rules.WazuhBind, true},
		}
	}
	return []dropIn{
		{"rules/flowhound_rules.xml", rules.OSSEC, false},
		{"rules/flowhound_bind_rules.xml", rules.OSSECBind, true},
	}
}

// retired are files that earlier versions wrote. Beside those of today Wazuh would
// read the same decoders twice, which is fatal.
func (e *Engine) retired() []string {
	if e.Kind == Wazuh {
		return []string{"etc/decoders/flowhound_bind_decoders.xml"}
	}
	return nil
}

// wire returns the changes that teach the engine flowhound's lines.
func (e *Engine) wire(o *Options) ([]change, error) {
	conf, err := e.edit("etc/ossec.conf")
	if err != nil {
		return nil, err
	}
	edits := []*edit{conf}
	var changes []change
	if e.Role == Manager {
		bind := e.Kind == Wazuh || includes(conf.clean, "named_rules.xml")
		var included []string
		for _, d := range e.dropIns() {
			if d.bind && !bind {
				continue
			}
			included = append(included, filepath.Base(d.name))
			if c, news, err := e.place(d); err != nil {
				return nil, err
			} else if news {
				changes = append(changes, c)
			}
		}
		changes = append(changes, e.remove(e.retired())...)
		if e.Kind == OSSEC {
			local, err := e.edit("etc/local_decoder.xml")
			if err != nil {
				return nil, err
			}
			block := strings.TrimSpace(decoders.OSSEC)
			if bind {
				block += "\n\n" + strings.TrimSpace(decoders.OSSECBind)
			}
			local.content = appendBlock(local.clean, block)
			edits = append(edits, local)
			if conf.content, err = insertIncludes(conf.content, included); err != nil {
				return nil, fmt.Errorf("%s %w", conf.says, err)
			}
		}
	}
	conf.content = appendBlock(conf.content, localfile(o))
	for _, x := range edits {
		if !bytes.Equal(x.content, x.old) {
			changes = append(changes, x.change)
		}
	}
	return changes, nil
}

// localfile makes the engine read the alert log.
func localfile(o *Options) string {
	format := "syslog"
	if o.JSONLog {
		format = "json"
	}
	return "<ossec_config>\n  <localfile>\n    <log_format>" + format + "</log_format>\n    <location>" + o.LogPath + "</location>\n  </localfile>\n</ossec_config>"
}

// unwire returns the changes that take everything out again.
func (e *Engine) unwire() ([]change, error) {
	var changes []change
	files := []string{"etc/ossec.conf"}
	if e.Role == Manager && e.Kind == OSSEC {
		files = append(files, "etc/local_decoder.xml")
	}
	for _, name := range files {
		x, err := e.edit(name)
		if err != nil {
			return nil, err
		}
		switch {
		case bytes.Equal(x.clean, x.old):
			continue
		case len(x.clean) == 0 && name != "etc/ossec.conf":
			x.content = nil // flowhound made the file
		}
		changes = append(changes, x.change)
	}
	if e.Role == Manager {
		names := e.retired()
		for _, d := range e.dropIns() {
			names = append(names, d.name)
		}
		changes = append(changes, e.remove(names)...)
	}
	return changes, nil
}

// remove returns the changes that take out those of the files that are there.
func (e *Engine) remove(names []string) (changes []change) {
	for _, name := range names {
		if exists(e.path(name)) {
			changes = append(changes, change{path: e.path(name), says: e.says(name)})
		}
	}
	return changes
}

// edit is a change of a file that others share.
type edit struct {
	change
	old   []byte // as it is
	clean []byte // without flowhound's blocks
}

func (e *Engine) edit(name string) (*edit, error) {
	x := &edit{change: change{path: e.path(name), says: e.says(name)}}
	var err error
	if x.old, err = readSmall(x.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, plain(err)
	}
	if err := checkText(x.old); err != nil {
		return nil, fmt.Errorf("%s %w; flowhound does not touch it", x.says, err)
	}
	if x.clean, err = withoutBlocks(x.old); err != nil {
		return nil, fmt.Errorf("%s %w", x.says, err)
	}
	x.content = x.clean
	return x, e.inherit(&x.change)
}

// place returns the change that writes a file of flowhound's own; news is false
// when it stands there already.
func (e *Engine) place(d dropIn) (c change, news bool, err error) {
	c = change{path: e.path(d.name), says: e.says(d.name), content: []byte(d.content)}
	old, err := readSmall(c.path)
	if err == nil && bytes.Equal(old, c.content) {
		return c, false, nil
	}
	return c, true, e.inherit(&c)
}

// inherit gives a file that may be new the owner and mode of its neighbours: in
// OSSEC those of etc/ossec.conf, in Wazuh those of the folder, which its daemons
// write to.
func (e *Engine) inherit(c *change) error {
	like, mode := e.path("etc/ossec.conf"), fs.FileMode(0o640)
	if e.Kind == Wazuh {
		like, mode = filepath.Dir(c.path), 0o660
	}
	info, err := os.Stat(like)
	if err != nil {
		return plain(err)
	}
	c.mode = mode
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		c.uid, c.gid = int(s.Uid), int(s.Gid)
	}
	return nil
}

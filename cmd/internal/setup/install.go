package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/flowhound/flowhound/decoders"
	"github.com/flowhound/flowhound/rules"
)

// Options say what to wire and how much of it.
type Options struct {
	Root string // the host's root directory; "": "/"
	Home string // of the engine; "": found

	LogPath string // the alert log that the engine reads
	JSONLog bool   // log.format: json, which Wazuh alone reads
	DryRun  bool   // say what would change, change nothing
	Restart bool   // restart the engine when it has something new to read
	Say     func(format string, args ...any)
}

func (o Options) root() string {
	if o.Root == "" {
		return "/"
	}
	return o.Root
}

// Install teaches the engine of a host flowhound's lines: a manager gets decoders,
// rules and the log, an agent the log alone. Running it again takes a newer
// version over. The engine validates its configuration before and after; when it
// takes exception, all is as it was and the error has the engine's words.
func Install(ctx context.Context, o Options) error {
	e, err := Find(o.root(), o.Home)
	if err != nil {
		return err
	}
	o.Say("found %s", e)
	if e.five() {
		o.Say("note: Wazuh 5 has no XML rules; until its manager has content for flowhound's lines, they are plain events there")
	}
	if o.JSONLog && e.Kind == OSSEC {
		return errors.New("log.format is json, which OSSEC cannot read: set it to syslog")
	}
	changes, err := e.wire(&o)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return e.again(ctx, &o)
	}
	if err := errors.Join(e.pasted(), e.clash()); err != nil {
		return err
	}
	if err := e.validate(ctx); err != nil {
		return fmt.Errorf("%s reports an error in its configuration as it is, without flowhound: fix that first\n%w", e.Kind, err)
	}
	if o.DryRun {
		return e.carryOut(ctx, &o, changes, true)
	}
	created, err := ensureLog(&o)
	if err != nil {
		return err
	}
	if err := e.carryOut(ctx, &o, changes, true); err != nil && created && !e.wired(&o) {
		return errors.Join(err, os.Remove(filepath.Join(o.root(), o.LogPath)))
	} else if err != nil {
		return err
	}
	return nil
}

// again is Install where all files are as they should be: what is left to do is to
// restart an engine that has not read them yet.
func (e *Engine) again(ctx context.Context, o *Options) error {
	created := false
	if !o.DryRun {
		var err error
		if created, err = ensureLog(o); err != nil {
			return err
		}
	}
	switch s := e.state(); {
	case s.fresh() && !created:
		o.Say("it reads flowhound's lines already")
		return nil
	case s.known && s.stopped != "":
		o.Say("its files are in place already, but it does not run (no %s)", s.stopped)
	case created:
		o.Say("its files are in place already, but it stopped watching the alert log, because the file was missing")
	default:
		o.Say("its files are in place already, but it has not loaded them: it was started before they were written")
	}
	if o.DryRun {
		return nil
	}
	return e.restart(ctx, o)
}

// wired reports whether the engine's files are as Install writes them.
func (e *Engine) wired(o *Options) bool {
	changes, err := e.wire(o)
	return err == nil && len(changes) == 0
}

// Uninstall takes out what Install has put in, byte for byte.
func Uninstall(ctx context.Context, o Options) error {
	e, err := Find(o.root(), o.Home)
	if err != nil {
		return err
	}
	o.Say("found %s", e)
	changes, err := e.unwire()
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		o.Say("it has nothing of flowhound")
		return nil
	}
	// What complained before may go on to: that is no reason to stay.
	return e.carryOut(ctx, &o, changes, e.validate(ctx) == nil)
}

// carryOut makes the changes. Where the engine has been content and then is not,
// everything is put back.
func (e *Engine) carryOut(ctx context.Context, o *Options, changes []change, content bool) error {
	if o.DryRun {
		for _, c := range changes {
			o.Say("%s", c.tell("would write", "would remove"))
		}
		return nil
	}
	t, err := begin(changes)
	if err != nil {
		return err
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	if err := e.validate(ctx); err != nil && content {
		return errors.Join(fmt.Errorf("%s rejects it, so everything was put back as it was\n%w", e.Kind, err), t.rollback())
	}
	if err := t.finish(); err != nil {
		return err
	}
	for _, c := range changes {
		o.Say("%s", c.tell("wrote", "removed"))
	}
	return e.restart(ctx, o)
}

func (c *change) tell(write, remove string) string {
	if c.content == nil {
		return remove + " " + c.says
	}
	return write + " " + c.says
}

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

// ensureLog creates the alert log when it is not there: an engine that does not
// find it when it starts gives up on it. It belongs to whoever its folder does, who
// may put another in the folder's place meanwhile: both are of the one that was
// opened, wherever that is.
func ensureLog(o *Options) (created bool, err error) {
	path := filepath.Join(o.root(), o.LogPath)
	folder, err := os.OpenFile(filepath.Dir(path), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false, fmt.Errorf("the alert log %s has no folder: run install.sh, or make the folder and give it to flowhound's user", o.LogPath)
	}
	defer func() { _ = folder.Close() }()
	var of unix.Stat_t
	if err := unix.Fstat(int(folder.Fd()), &of); err != nil {
		return false, err
	}
	fd, err := unix.Openat(int(folder.Fd()), filepath.Base(path), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o640)
	if errors.Is(err, unix.EEXIST) {
		return false, nil
	} else if err != nil {
		return false, plain(&fs.PathError{Op: "create", Path: path, Err: err})
	}
	f := os.NewFile(uintptr(fd), path)
	if err := errors.Join(own(f, &change{mode: 0o640, uid: int(of.Uid), gid: int(of.Gid)}), f.Close()); err != nil {
		return false, plain(err)
	}
	o.Say("created %s", o.LogPath)
	return true, nil
}

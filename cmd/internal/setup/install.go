package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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

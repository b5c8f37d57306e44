// Package setup wires flowhound into the OSSEC or Wazuh of this host, takes it out
// again byte for byte, and finds what is wrong with an installation (doctor). It
// writes into other people's files: everything is checked by the engine itself
// before it stays, and what fails leaves no trace.
//
// It never restarts an engine unasked, never downloads anything, and touches no
// file of an engine but the ones that Install lists.
package setup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/plugin/text"
)

// Kind tells OSSEC from Wazuh.
type Kind string

// The kinds of engines.
const (
	OSSEC Kind = "OSSEC"
	Wazuh Kind = "Wazuh"
)

// Role is what an engine does on this host.
type Role string

// The roles.
const (
	Manager Role = "manager" // has decoders and rules: OSSEC's server and local, Wazuh's manager
	Agent   Role = "agent"   // sends its logs to a manager elsewhere
)

// Engine is the OSSEC or Wazuh of a host.
type Engine struct {
	Kind    Kind
	Role    Role
	Version string // "4.2.0"; "" when it does not say
	Root    string // the host's root directory, "/" for this one
	Home    string // below Root: /var/ossec
}

// String names the engine for people: "Wazuh 4.14.0 manager in /var/ossec".
func (e *Engine) String() string {
	s := string(e.Kind)
	if e.Version != "" {
		s += " " + e.Version
	}
	return fmt.Sprintf("%s %s in %s", s, e.Role, e.Home)
}

// path returns a file of the engine, as this process opens it.
func (e *Engine) path(name string) string { return filepath.Join(e.Root, e.Home, name) }

// says returns a file of the engine as people know it: without Root.
func (e *Engine) says(name string) string { return filepath.Join(e.Home, name) }

var (
	// ErrNoEngine says that neither OSSEC nor Wazuh is installed.
	ErrNoEngine = errors.New("neither OSSEC nor Wazuh is installed here")
	// ErrNotWired says that the engine was left as it is until a person has changed
	// something in it. The rest of flowhound works without.
	ErrNotWired = errors.New("not wired")
	// ErrWazuh5 says what to do with a manager of Wazuh 5, which knows no XML and reads
	// no log by itself.
	ErrWazuh5 = errors.New("this is a manager of Wazuh 5, which has no XML decoders and rules any more and reads no log of its own host: " +
		"install a Wazuh agent beside it, or use the elasticsearch output with flavor: opensearch, which writes into Wazuh's own indexer")
)

const defaultHome = "/var/ossec"

// Find returns the engine below root. home is where it is installed; "": where it
// says, or /var/ossec. The error is ErrNoEngine or ErrWazuh5, wrapped, or says
// which half of an installation is missing.
func Find(root, home string) (*Engine, error) {
	given := home != ""
	if home == "" {
		home = homeOf(filepath.Join(root, "etc/ossec-init.conf"))
	}
	e := &Engine{Root: root, Home: home}
	manager5 := exists(filepath.Join(root, "var/wazuh-manager")) && !given
	if !exists(e.path("")) {
		if manager5 {
			return nil, fmt.Errorf("/var/wazuh-manager: %w", ErrWazuh5)
		}
		return nil, fmt.Errorf("%w: there is no %s (name its folder with --home when it is elsewhere)", ErrNoEngine, home)
	}
	switch {
	case exists(e.path("bin/wazuh-control")):
		e.Kind, e.Version = Wazuh, versionIn(e.path("bin/wazuh-control"))
		if e.Version == "" {
			e.Version = versionIn(e.path("VERSION.json"))
		}
	case exists(e.path("bin/ossec-control")):
		e.Kind, e.Version = OSSEC, versionIn(e.path("bin/ossec-control"))
	default:
		return nil, fmt.Errorf("%w: %s has neither bin/wazuh-control nor bin/ossec-control, so it is half an installation at most", ErrNoEngine, home)
	}
	if err := e.findRole(); err != nil {
		return e, err
	}
	if e.five() && e.Role == Manager {
		return nil, fmt.Errorf("%s: %w", e.Home, ErrWazuh5)
	}
	return e, nil
}

// five reports Wazuh 5. Its agents read logs as those of Wazuh 4 do; its manager
// reads no log of its own host and needs an agent beside it.
func (e *Engine) five() bool { return e.Kind == Wazuh && strings.HasPrefix(e.Version, "5.") }

// findRole looks for the daemon that only the one or the other has.
func (e *Engine) findRole() error {
	prefix := strings.ToLower(string(e.Kind))
	switch {
	case exists(e.path("bin/" + prefix + "-analysisd")):
		e.Role = Manager
	case exists(e.path("bin/" + prefix + "-agentd")):
		e.Role = Agent
	default:
		return fmt.Errorf("%s in %s has neither bin/%[3]s-analysisd nor bin/%[3]s-agentd: it is half an installation", e.Kind, e.Home, prefix)
	}
	if !exists(e.path("etc/ossec.conf")) {
		return fmt.Errorf("%s has no etc/ossec.conf: it is half an installation", e.Home)
	}
	return nil
}

var (
	initDirectory = text.Pattern(`(?m)^DIRECTORY="(/[^"\n]*)"`)
	// bin/ossec-control has VERSION="v4.2.0", VERSION.json "version": "4.14.0".
	versionText = text.Pattern(`(?mi)^[\s{"]*version"?\s*[=:]\s*"v?(\d+\.[\w.]+)"`)
)

// homeOf reads where OSSEC's installer says that it put everything.
func homeOf(initConf string) string {
	b, err := readSmall(initConf)
	if err != nil {
		return defaultHome
	}
	if m := initDirectory().FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return defaultHome
}

func versionIn(path string) string {
	b, err := readSmall(path)
	if err != nil {
		return ""
	}
	if m := versionText().FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}

// maxFile is far above any configuration of an engine, in bytes.
const maxFile = 32 << 20

// readSmall reads a regular file within maxFile.
func readSmall(path string) ([]byte, error) { return file.Read(path, maxFile) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

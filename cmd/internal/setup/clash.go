package setup

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/plugin/text"
	"github.com/flowhound/flowhound/rules"
)

var (
	ruleTag   = text.Pattern(`(?s)<rule\s([^>]*)>(.*?)</rule>`)
	ruleID    = text.Pattern(`\bid\s*=\s*["']\s*(\d+)\s*["']`)
	overwrite = text.Pattern(`\boverwrite\s*=\s*["']yes["']`)
	ruleFiles = text.Pattern(`<(rule_dir|rule_include|rule_exclude|include)(?:\s[^>]*)?>\s*([^<]*?)\s*</`)
)

// ruleOf is a rule in a file of the engine's: its id, and what stands inside it.
type ruleOf struct {
	id, file, body string
	overwrites     bool // another rule of its id, which is meant
}

// clash looks for rules of others under ids of flowhound's. OSSEC does not start
// with two rules of one id. Wazuh takes the first file's, and all rules that build
// on the other are mute; it says so in a warning, and ends as if all was well.
func (e *Engine) clash() error {
	if e.Role != Manager {
		return nil
	}
	ours := map[string]bool{}
	for _, r := range rulesIn(rules.Wazuh+rules.WazuhBind, "") {
		ours[r.id] = true
	}
	others, err := e.rules()
	if err != nil {
		return err
	}
	for _, r := range others {
		if ours[r.id] && !r.overwrites {
			return fmt.Errorf("%w: rule %s in %s has one of flowhound's ids, so that %s would ignore one of the two rules: "+
				"give it an id from 100000 to 100899, or remove it if it was pasted by hand, then: sudo flowhound install --restart", ErrNotWired, r.id, r.file, e.Kind)
		}
	}
	return nil
}

// rules returns the rules of all files that the engine reads, without flowhound's.
func (e *Engine) rules() (all []ruleOf, err error) {
	files, err := e.ruleFiles()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := readSmall(e.path(f))
		if err != nil {
			if !exists(e.path(f)) {
				continue // the engine says it better
			}
			return nil, plain(err)
		}
		all = append(all, rulesIn(string(b), e.says(f))...)
	}
	return all, nil
}

// ruleFiles returns the files of rules that etc/ossec.conf names, by their path
// below the engine's home, without flowhound's own.
func (e *Engine) ruleFiles() (files []string, err error) {
	conf, err := readSmall(e.path("etc/ossec.conf"))
	if err != nil {
		return nil, plain(err)
	}
	folders := map[string]string{"include": "rules", "rule_include": "ruleset/rules"} // of a name without one
	var excluded []string
	for _, m := range ruleFiles().FindAllStringSubmatch(comment().ReplaceAllString(string(conf), ""), -1) {
		switch kind, name := m[1], m[2]; kind {
		case "rule_dir":
			found, _ := filepath.Glob(filepath.Join(e.path(name), "*.xml"))
			for _, f := range found {
				files = append(files, path.Join(name, filepath.Base(f)))
			}
		case "rule_exclude":
			excluded = append(excluded, name)
		default:
			if !strings.Contains(name, "/") {
				name = path.Join(folders[kind], name)
			}
			files = append(files, name)
		}
	}
	return slices.DeleteFunc(files, func(f string) bool {
		return slices.Contains(excluded, f) || slices.Contains(excluded, path.Base(f)) ||
			slices.ContainsFunc(e.dropIns(), func(d dropIn) bool { return d.name == f })
	}), nil
}

func rulesIn(content, file string) (all []ruleOf) {
	for _, m := range ruleTag().FindAllStringSubmatch(comment().ReplaceAllString(content, ""), -1) {
		if id := ruleID().FindStringSubmatch(m[1]); id != nil {
			all = append(all, ruleOf{id: strings.TrimLeft(id[1], "0"), file: file, body: m[2], overwrites: overwrite().MatchString(m[1])})
		}
	}
	return all
}

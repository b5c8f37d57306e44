package settings

import "fmt"

// Section is one section of the file as the package that owns it sees it, while it
// completes and validates what was read: which of its keys the file has, and where.
// It is valid until the document's reading ends.
type Section struct {
	d   *Document
	key string
}

// Section returns the section of that dotted key; "" is the whole file.
func (d *Document) Section(key string) Section { return Section{d, key} }

// Index returns entry i of a list.
func (s Section) Index(i int) Section { return Section{s.d, fmt.Sprintf("%s[%d]", s.key, i)} }

// In returns the section of that name below s.
func (s Section) In(name string) Section { return Section{s.d, s.At(name)} }

// At returns the dotted key of name in s; that of s itself for "".
func (s Section) At(name string) string {
	switch {
	case name == "":
		return s.key
	case s.key == "":
		return name
	}
	return s.key + "." + name
}

// Has reports whether the file sets name.
func (s Section) Has(name string) bool { return s.d.Has(s.At(name)) }

// HasAny reports whether the file sets one of the names.
func (s Section) HasAny(names ...string) bool {
	for _, n := range names {
		if s.Has(n) {
			return true
		}
	}
	return false
}

// Reported reports whether a problem of name, or of what it lies in, is known already.
func (s Section) Reported(name string) bool { return s.d.Reported(s.At(name)) }

// Text returns the value of name as the file has it, quoted; a value from the
// environment shows as the name of its variable.
func (s Section) Text(name string) string { return s.d.Text(s.At(name)) }

// Line returns the line of name, or else of the nearest section that is in the file.
func (s Section) Line(name string) int { return s.d.Line(s.At(name)) }

// FromEnv reports whether the value of name names an environment variable.
func (s Section) FromEnv(name string) bool { return s.d.FromEnv(s.At(name)) }

// Errorf says what is wrong with name and what to do.
func (s Section) Errorf(name, format string, args ...any) {
	s.d.Errorf(s.Line(name), s.At(name), format, args...)
}

// Warnf is Errorf for what the agent runs with nevertheless.
func (s Section) Warnf(name, format string, args ...any) {
	s.d.Warnf(s.Line(name), s.At(name), format, args...)
}

// Reject says why of each of names that the file sets.
func (s Section) Reject(why string, names ...string) {
	for _, name := range names {
		if s.Has(name) && !s.Reported(name) {
			s.Errorf(name, "%s. Remove the line", why)
		}
	}
}

// Package users keeps the file of those who may see flowhound's pages: a line each,
// with a role and a hash. It knows nothing of HTTP, and the file holds no password.
package users

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/bcrypt"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/plugin/text"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // may look
	Operator Role = "operator" // may also mute and allow
)

// Roles are all of them, the least powerful first.
var Roles = []Role{Viewer, Operator}

const (
	// MinPassword is the shortest password, in bytes.
	MinPassword = 10
	// MaxPassword is the longest: bcrypt reads no more.
	MaxPassword = 72
	// mostSize bounds the file: 64 kB are some 700 users.
	mostSize = 64 << 10
	// cost of bcrypt: about a quarter of a second.
	cost = 12

	tokenPrefix = "sha256:"
	tokenBytes  = 32
)

var (
	// ErrNoUser says that the file has no user of a name.
	ErrNoUser = errors.New("there is no such user")
	// ErrThere says that it has one already.
	ErrThere = errors.New("there is a user of that name already")

	validName = text.Pattern(`^[a-z0-9][a-z0-9._@-]{0,63}$`)
)

// User is one line of the file.
type User struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	Hash string `json:"-"`
}

// Token reports whether the user is a program that sends a bearer token, and has no
// password.
func (u *User) Token() bool { return strings.HasPrefix(u.Hash, tokenPrefix) }

// Caller is who asks.
type Caller struct {
	Name string `json:"name"` // "" without authentication
	Role Role   `json:"role"`
}

// May reports whether the caller has a role or a more powerful one.
func (c Caller) May(r Role) bool { return slices.Index(Roles, c.Role) >= slices.Index(Roles, r) }

// Read returns the users of a file, in its order.
func Read(path string) ([]User, error) {
	b, err := file.Read(path, mostSize)
	if err != nil {
		return nil, err
	}
	return Parse(b)
}

// Parse reads the content of a users' file: NAME:ROLE:HASH a line, # begins a comment.
func Parse(b []byte) (all []User, err error) {
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, mostSize)
	for n := 1; s.Scan(); n++ {
		text := strings.TrimSpace(s.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		part := strings.SplitN(text, ":", 3)
		if len(part) != 3 || !validName().MatchString(part[0]) {
			return nil, fmt.Errorf("line %d is not NAME:ROLE:HASH; flowhound user add writes such lines", n)
		}
		u := User{part[0], Role(part[1]), part[2]}
		switch {
		case !slices.Contains(Roles, u.Role):
			return nil, fmt.Errorf("line %d: there is no role %.20q; the roles are viewer and operator", n, part[1])
		case !u.validHash():
			return nil, fmt.Errorf("line %d: the hash of %s cannot be read; flowhound user add makes another", n, u.Name)
		case slices.ContainsFunc(all, func(x User) bool { return x.Name == u.Name }):
			return nil, fmt.Errorf("line %d: %s is in the file twice; remove one", n, u.Name)
		}
		all = append(all, u)
	}
	return all, s.Err()
}

func (u *User) validHash() bool {
	if hash, ok := strings.CutPrefix(u.Hash, tokenPrefix); ok {
		b, err := hex.DecodeString(hash)
		return err == nil && len(b) == sha256.Size
	}
	c, err := bcrypt.Cost([]byte(u.Hash))
	return err == nil && c <= 15 // a higher one would keep a core busy for seconds
}

// Check says what is wrong with the name or the role of a new user.
func Check(name string, role Role) error {
	if !validName().MatchString(name) {
		return fmt.Errorf("%.40q cannot be a name: use lower-case letters, digits and . _ @ - (64 at most)", name)
	}
	if !slices.Contains(Roles, role) {
		return fmt.Errorf("there is no role %.20q; the roles are viewer and operator", role)
	}
	return nil
}

// ForPassword returns a user with a password.
func ForPassword(name string, role Role, password []byte) (User, error) {
	if err := Check(name, role); err != nil {
		return User{}, err
	}
	switch {
	case len(password) < MinPassword:
		return User{}, fmt.Errorf("the password is too short: give at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		return User{}, fmt.Errorf("the password is too long: %d bytes at most", MaxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword(password, cost)
	return User{name, role, string(hash)}, err
}

// ForToken returns a user with a new bearer token. The file does not hold the token.
func ForToken(name string, role Role) (u User, token string, err error) {
	if err := Check(name, role); err != nil {
		return User{}, "", err
	}
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // it never fails
	token = "fh_" + base64.RawURLEncoding.EncodeToString(b)
	return User{name, role, tokenPrefix + hexSum(token)}, token, nil
}

func hexSum(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// nobody is compared with where there is no user, so that a wrong name takes as long
// as a wrong password. It is a hash of random bytes.
var nobody = []byte("$2a$12$" + "EqQvC8oGmqH8hRZ1nE6iUuYb0mDqkO5oTtqk5C1e6c6bVt0pEo0yK")

// ByPassword returns the user of that name whose password it is. It takes a quarter
// of a second of a core, whatever it says.
func ByPassword(all []User, name string, password []byte) (User, bool) {
	i := slices.IndexFunc(all, func(u User) bool { return u.Name == name && !u.Token() })
	hash := nobody
	if i >= 0 {
		hash = []byte(all[i].Hash)
	}
	if len(password) > MaxPassword {
		password = password[:MaxPassword+1] // never right, and as slow as one that is
	}
	err := bcrypt.CompareHashAndPassword(hash, password[:min(len(password), MaxPassword)])
	if i < 0 || err != nil || len(password) > MaxPassword {
		return User{}, false
	}
	return all[i], true
}

// ByToken returns the user whose bearer token it is.
func ByToken(all []User, token string) (User, bool) {
	want := []byte(tokenPrefix + hexSum(token))
	for _, u := range all {
		if subtle.ConstantTimeCompare([]byte(u.Hash), want) == 1 {
			return u, true
		}
	}
	return User{}, false
}

const head = "# Who may see flowhound's pages: NAME:ROLE:HASH. Change it with flowhound user add and remove.\n"

// Add puts a user into the file, which is made if need be. like is a file whose
// owner and group a new one gets, so that the agent can read it.
func Add(path string, u User, like string) error {
	b, err := file.Read(path, mostSize)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = []byte(head), nil
	}
	if err != nil {
		return err
	}
	all, err := Parse(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if slices.ContainsFunc(all, func(x User) bool { return x.Name == u.Name }) {
		return fmt.Errorf("%s: %w", u.Name, ErrThere)
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return write(path, fmt.Appendf(b, "%s:%s:%s\n", u.Name, u.Role, u.Hash), like)
}

// Remove takes a user out of the file. All else stays as it is.
func Remove(path, name string) error {
	b, err := file.Read(path, mostSize)
	if err != nil {
		return err
	}
	if _, err := Parse(b); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var left []byte
	found := false
	for line := range bytes.Lines(b) {
		if first, _, ok := strings.Cut(strings.TrimSpace(string(line)), ":"); ok && first == name {
			found = true
			continue
		}
		left = append(left, line...)
	}
	if !found {
		return fmt.Errorf("%s: %w", name, ErrNoUser)
	}
	return write(path, left, path)
}

// write replaces the file. Its owner stays, or is that of like.
func write(path string, content []byte, like string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	owner := path
	if _, err := os.Stat(path); err != nil {
		owner = like
	}
	p, err := file.Create(path)
	if err != nil {
		return err
	}
	defer p.Discard()
	if _, err := p.Write(content); err != nil {
		return err
	}
	if info, err := os.Stat(owner); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
			if err := p.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
	}
	if err := p.KeepMode(0o640); err != nil {
		return err
	}
	return p.Commit()
}

package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"syscall"

	"github.com/flowhound/flowhound/plugin/text"
)

// Secret is a setting that must not be shown: a password, a token, the URL of a
// chat channel. However it is printed, it prints <secret>; Reveal returns its value.
// In the configuration it is a plain string.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns <secret>, or "" when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return text.Secret
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// maxSecret is how large a file with a secret may be, in bytes: a private key
// with its chain fits.
const maxSecret = 64 << 10

// ReadSecret reads a file that contains only the secret, and removes line ends after
// it. It logs a warning when everyone can read the file, and fails when the file is
// empty, larger than 64 KiB, or not a regular file: it never waits for a pipe.
func ReadSecret(path string) (Secret, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", &os.PathError{Op: "read secret", Path: path, Err: errors.New("it is not a regular file")}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if b = bytes.TrimRight(b, "\r\n"); len(b) == 0 {
		return "", &os.PathError{Op: "read secret", Path: path, Err: errors.New("the file is empty")}
	}
	if len(b) > maxSecret {
		return "", &os.PathError{Op: "read secret", Path: path, Err: errors.New("the file is larger than 64 KiB")}
	}
	if info.Mode()&0o004 != 0 {
		slog.Warn("everyone can read the file of a secret; chmod o-r it", "path", path)
	}
	return Secret(b), nil
}

var secretType = reflect.TypeFor[Secret]()

// secretKeys returns the dotted names of out's settings that are a Secret, with
// [] for every entry of a list and * for every key of a map.
func secretKeys(out Output) []string { return secretKeysIn(reflect.TypeOf(out), "", 0) }

func secretKeysIn(t reflect.Type, key string, depth int) []string {
	if depth > 10 { // a type that holds itself
		return nil
	}
	switch {
	case t == secretType:
		return []string{key}
	case t.Kind() == reflect.Pointer:
		return secretKeysIn(t.Elem(), key, depth+1)
	case t.Kind() == reflect.Slice:
		return secretKeysIn(t.Elem(), key+"[]", depth+1)
	case t.Kind() == reflect.Map:
		return secretKeysIn(t.Elem(), dotted(key, "*"), depth+1)
	case t.Kind() != reflect.Struct:
		return nil
	}
	var keys []string
	for f := range t.Fields() {
		switch name := settingName(f); {
		case name != "":
			keys = append(keys, secretKeysIn(f.Type, dotted(key, name), depth+1)...)
		case f.Anonymous && f.Tag.Get("json") == "":
			keys = append(keys, secretKeysIn(f.Type, key, depth+1)...)
		}
	}
	return keys
}

func dotted(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// secretValues appends to found the secrets in v, in exported fields or not.
func secretValues(v reflect.Value, found []string) []string {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == secretType {
			found = append(found, v.String())
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Elem().Kind() != reflect.Pointer {
			found = secretValues(v.Elem(), found)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			found = secretValues(v.Index(i), found)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			found = secretValues(it.Value(), found)
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			found = secretValues(f, found)
		}
	}
	return found
}

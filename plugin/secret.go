package plugin

import "log/slog"

// Secret is a setting that must not be shown: a password, a token, the URL of a
// chat channel. However it is printed, it says <secret>; Reveal returns what it
// is. In the configuration it is a plain string.
type Secret string

const redacted = "<secret>"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "<secret>", or "" when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

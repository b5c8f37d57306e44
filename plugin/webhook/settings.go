package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// settings are what may stand under settings in the configuration.
type settings struct {
	Service string `json:"service" validate:"required,oneof=slack mattermost teams discord rocketchat googlechat telegram ntfy pagerduty generic"`

	URL            plugin.Secret `json:"url"`
	URLFile        string        `json:"url_file" validate:"excluded_with=URL"`
	Token          plugin.Secret `json:"token"`
	TokenFile      string        `json:"token_file" validate:"excluded_with=Token"`
	RoutingKey     plugin.Secret `json:"routing_key"`
	RoutingKeyFile string        `json:"routing_key_file" validate:"excluded_with=RoutingKey"`
	Secret         plugin.Secret `json:"secret"`
	SecretFile     string        `json:"secret_file" validate:"excluded_with=Secret"`
	Channel        string        `json:"channel" validate:"max=255"`
	Chat           string        `json:"chat" validate:"max=255"`
	Topic          plugin.Secret `json:"topic" validate:"max=255"`
	Forum          bool          `json:"forum"`

	Template     string                   `json:"template" validate:"max=65536"`
	TemplateFile string                   `json:"template_file" validate:"excluded_with=Template"`
	Headers      map[string]plugin.Secret `json:"headers" validate:"max=32"`
	Timeout      time.Duration            `json:"timeout" validate:"omitempty,min=1s,max=5m"` // of one request; 0: 10 s
	CAFile       string                   `json:"ca_file"`
}

const defaultTimeout = 10 * time.Second

// maxFile bounds each file that the settings name.
const maxFile = 1 << 20

// given names the settings that only some services have, and are set.
func (s *settings) given() []string {
	var keys []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"token", s.Token != "" || s.TokenFile != ""},
		{"routing_key", s.RoutingKey != "" || s.RoutingKeyFile != ""},
		{"secret", s.Secret != "" || s.SecretFile != ""},
		{"url", s.URL != "" || s.URLFile != ""},
		{"channel", s.Channel != ""},
		{"chat", s.Chat != ""},
		{"topic", s.Topic != ""},
		{"forum", s.Forum},
	} {
		if k.set {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// suit says what is missing for svc, and what it has no use for.
func (s *settings) suit(svc *service) error {
	given := s.given()
	for _, key := range svc.needs {
		if !slices.Contains(given, key) {
			return plugin.Problem{Key: key, Message: "is missing: service " + s.Service + " needs it"}
		}
	}
	for _, key := range given {
		if key != "url" && !slices.Contains(svc.needs, key) && !slices.Contains(svc.takes, key) {
			return plugin.Problem{Key: key, Message: "service " + s.Service + svc.how + " has no use for it"}
		}
	}
	return nil
}

// readSecrets returns s with the content of its secret files in their places.
func (s settings) readSecrets() (settings, error) {
	for _, f := range []struct {
		key  string
		path string
		into *plugin.Secret
	}{
		{"url_file", s.URLFile, &s.URL},
		{"token_file", s.TokenFile, &s.Token},
		{"routing_key_file", s.RoutingKeyFile, &s.RoutingKey},
		{"secret_file", s.SecretFile, &s.Secret},
	} {
		if f.path == "" {
			continue
		}
		b, err := readFile(f.path)
		if err != nil {
			return s, plugin.Problem{Key: f.key, Message: err.Error()}
		}
		if *f.into = plugin.Secret(strings.TrimSpace(string(b))); *f.into == "" {
			return s, plugin.Problem{Key: f.key, Message: fmt.Sprintf("%s is empty", f.path)}
		}
	}
	return s, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// secrets returns all that must not be shown, after readSecrets.
func (s *settings) secrets() []string {
	all := []string{s.URL.Reveal(), s.Token.Reveal(), s.RoutingKey.Reveal(), s.Secret.Reveal(), s.Topic.Reveal()}
	for _, v := range s.Headers {
		all = append(all, v.Reveal())
	}
	return all
}

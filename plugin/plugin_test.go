package plugin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

func TestErrors(t *testing.T) {
	if plugin.Permanent(nil) != nil || plugin.RetryAfter(nil, time.Second) != nil || plugin.Partial([]error{nil, nil}) != nil {
		t.Error("no error became one")
	}
	err := fmt.Errorf("batch: %w", plugin.Permanent(io.EOF))
	if !plugin.IsPermanent(err) || !errors.Is(err, io.EOF) || plugin.IsPermanent(io.EOF) {
		t.Errorf("permanent: %v", err)
	}
	var later *plugin.RetryAfterError
	if err = fmt.Errorf("batch: %w", plugin.RetryAfter(io.EOF, time.Minute)); !errors.As(err, &later) || later.After != time.Minute || !errors.Is(err, io.EOF) {
		t.Errorf("retry after: %v", err)
	}
	err = plugin.Partial([]error{nil, plugin.Permanent(io.EOF), io.ErrNoProgress})
	var partial *plugin.PartialError
	if !errors.As(err, &partial) || len(partial.Errs) != 3 || err.Error() != "2 of 3 hits: EOF" || plugin.IsPermanent(err) {
		t.Errorf("partial: %v", err)
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	v := struct{ Key plugin.Secret }{"hunter2"}
	b, err := json.Marshal(v)
	for _, s := range []string{string(b), fmt.Sprint(v), fmt.Sprintf("%+v %#v %q %s", v, v, v.Key, v.Key), v.Key.LogValue().String()} {
		if strings.Contains(s, "hunter2") || !strings.Contains(s, "secret") {
			t.Errorf("shown as %s, %v", s, err)
		}
	}
	if json.Unmarshal([]byte(`{"Key":"hunter2"}`), &v) != nil || v.Key.Reveal() != "hunter2" {
		t.Error("cannot be read")
	}
}

package nearest

import "testing"

func TestWord(t *testing.T) {
	words := []string{"window", "max_window", "min_severity", "severity", "max_keys", "c2"}
	for name, want := range map[string]string{
		"windw": "window", "widnow": "window", "Window": "window", "maxwindow": "max_window", "max-keys": "max_keys", "serverity": "severity",
		"c3": "c2", "": "", "x": "", "frobnicate": "", "outputs": "",
	} {
		if got := Word(name, words); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

package finding

import "sync"

// Trouble is something that fails for a while, and is said when that begins and when
// it ends, not each time. The zero value is well. Its methods may be called
// concurrently.
type Trouble struct {
	mu   sync.Mutex
	text string
}

// Note takes the outcome of a try. began and ended report a change: a different error
// is the same trouble.
func (t *Trouble) Note(err error) (began, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.text
	if t.text = ""; err != nil {
		t.text = err.Error()
	}
	return before == "" && t.text != "", before != "" && t.text == ""
}

// Text says why the last try failed, "" where it did not.
func (t *Trouble) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text
}

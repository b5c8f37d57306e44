package peer

import (
	"bytes"
	"sync"
)

// Log keeps what a program or a logger says. It may be written to and read concurrently.
type Log struct {
	mu   sync.Mutex
	said bytes.Buffer
}

// Write appends what is said.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

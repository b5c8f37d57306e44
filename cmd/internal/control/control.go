// Package control connects the commands of this host to the running agent:
// HTTP with JSON bodies over the unix socket control.sock, which only the agent's
// user can reach. Commands that need what the agent knows call it; where none
// runs they get ErrNoAgent and work on the data themselves.
//
// It carries requests and answers and knows none: each part of the agent registers
// a Handler by path. It never listens on a network.
//
// Every answer is a stream of JSON values, one a line, so that progress is seen
// while it happens; a last line says that the answer is whole, or what went wrong.
package control

import (
	"encoding/json"
	"errors"
	"path/filepath"
)

const (
	socketName = "control.sock"
	lockName   = "control.lock"

	// maxPath is the longest path that a unix socket can have on Linux, in bytes
	// (unix(7): 108 with the final zero).
	maxPath = 107

	// maxRequest and maxLine bound a request and one line of an answer, in bytes:
	// a hundred times what the commands say.
	maxRequest = 1 << 20
	maxLine    = 16 << 20
)

var (
	// ErrNoAgent says that no agent runs on the run directory.
	ErrNoAgent = errors.New("no agent is running")
	// ErrInUse says that another agent runs on the run directory.
	ErrInUse = errors.New("in use by another flowhound")
)

// SocketPath is where the agent with this run directory listens.
func SocketPath(runDir string) string { return filepath.Join(runDir, socketName) }

// PathProblem says why runDir cannot hold the socket: its path is too long. It is
// "" when it can.
func PathProblem(runDir string) string {
	if len(SocketPath(runDir)) <= maxPath {
		return ""
	}
	return "is too long: the path of a unix socket in it has at most 107 bytes; set run_dir to a shorter one"
}

// Problem is an error that an agent's Handler answers with: its kind crosses the
// socket, so that a command can choose its exit status.
type Problem struct {
	Code ProblemCode
	Text string
}

// ProblemCode says whose a Problem is.
type ProblemCode string

// The codes of problems.
const (
	BadRequest ProblemCode = "bad_request" // of whoever asked; nothing was done
	Failed     ProblemCode = "failed"      // what was asked for did not succeed
)

// Error returns the text, which is for people.
func (p *Problem) Error() string { return p.Text }

// line is one line of an answer: Value, or as the last one either Error or End. An
// answer without its last line was cut off.
type line struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
	Code  ProblemCode     `json:"code,omitempty"`
	End   bool            `json:"end,omitempty"`
}

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
)

// Call asks the agent that runs on runDir and reads its answer, which is one value,
// into answer. Errors are those of Stream.
func Call(ctx context.Context, runDir, path string, request, answer any) error {
	n := 0
	err := Stream(ctx, runDir, path, request, func(v json.RawMessage) error {
		n++
		return json.Unmarshal(v, answer)
	})
	if err == nil && n != 1 {
		err = fmt.Errorf("the agent answered %s with %d values instead of one: are command and agent of one version?", path, n)
	}
	return err
}

// Stream asks the agent that runs on runDir and calls each with every value of its
// answer, as it comes; an error of each ends it. The error is ErrNoAgent where none
// runs, a *Problem where the agent gave it, and otherwise says what went wrong on
// the way. How long the answer may take is up to ctx.
func Stream(ctx context.Context, runDir, path string, request any, each func(json.RawMessage) error) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", SocketPath(runDir))
		},
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return dialError(runDir, err)
	}
	defer response.Body.Close()
	return readAnswer(response.Body, each)
}

// StreamAs is Stream for an answer of values of one type.
func StreamAs[T any](ctx context.Context, runDir, path string, request any, each func(T) error) error {
	return Stream(ctx, runDir, path, request, func(raw json.RawMessage) error {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("the agent's answer: %w", err)
		}
		return each(v)
	})
}

// dialError says whether there is no agent or one that cannot be reached.
func dialError(runDir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w (nothing listens on %s)", ErrNoAgent, SocketPath(runDir))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s can be opened only by the agent's user: run this as that user, or as root", SocketPath(runDir))
	case PathProblem(runDir) != "":
		return fmt.Errorf("run_dir %s %s", runDir, PathProblem(runDir))
	}
	return fmt.Errorf("request to the agent: %w", err)
}

func readAnswer(in io.Reader, each func(json.RawMessage) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l line
		if err := decodeStrict(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("the agent's answer cannot be read (%w): are command and agent of one version?", err)
		}
		switch {
		case l.End:
			return nil
		case l.Error != "":
			return &Problem{l.Code, l.Error}
		}
		if err := each(l.Value); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the agent's answer: %w", err)
	}
	return errors.New("the agent stopped in the middle of its answer")
}

// decodeStrict reads b, which must hold one JSON value without unknown keys.
func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// Package pb is what crosses between flowhound and an output plugin: the service and
// its messages (output.proto), their Go code, which protoc writes, and what both
// sides must agree on before the first message. Hits as messages are in package
// hitpb. Only the SDK and the host import it, so that an author never sees it.
package pb

// The wire types are made by protoc 3.21 or later (Debian's protobuf-compiler)
// and the two generators that go.mod names as tools.
//go:generate sh -c "protoc -I. -I../../.. --plugin=protoc-gen-go=${DOLLAR}(go tool -n protoc-gen-go) --plugin=protoc-gen-go-grpc=${DOLLAR}(go tool -n protoc-gen-go-grpc) --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative output.proto"

import goplugin "github.com/hashicorp/go-plugin"

// Version is the newest version of the protocol: of the calls and what they mean.
// A message that only grows keeps it.
const Version = 1

// Name is what the one plugin of a process is called within go-plugin.
const Name = "output"

// Handshake tells that a process was started by flowhound. It is not a secret and no
// protection: it keeps a person who starts a plugin by hand from a surprise.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{MagicCookieKey: "FLOWHOUND_OUTPUT", MagicCookieValue: "b6f0c2d79b6e4a3f8d1e5c7a902d4f11"}
}

// LifelineEnv names the file descriptor of a pipe that flowhound holds open as
// long as it lives: when a plugin reads its end, it is alone and must go.
const LifelineEnv = "FLOWHOUND_LIFELINE_FD"

// MaxMessage is how many bytes a message to a plugin may have. It is below the
// 4 MiB that gRPC accepts by default, so that plugins in other languages, too,
// take what flowhound sends. MaxAnswer is how many an answer may have.
const (
	MaxMessage = 3 << 20
	MaxAnswer  = 1 << 20
)

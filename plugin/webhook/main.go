// Command flowhound-output-webhook posts hits to chat channels, to PagerDuty and
// to anything that takes a webhook. A batch of hits is one message. Each service
// has a file of its own that says what it wants; what all share is in message.go
// (the message before any markup), fit.go (limits), template.go and send.go. It
// never shows the address it posts to: who knows it may post, too.
package main

import "github.com/flowhound/flowhound/plugin"

func main() { plugin.Serve(&output{}) }

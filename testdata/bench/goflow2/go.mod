module github.com/flowhound/flowhound/cmd/bench/goflow2

go 1.26.0

require (
	github.com/flowhound/flowhound v0.0.0
	github.com/netsampler/goflow2/v2 v2.2.6
)

replace github.com/flowhound/flowhound => ../../..

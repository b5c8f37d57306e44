package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/show"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

// capture sends a made day as IPFIX over loopback to nfcapd, which writes it to a folder
// with LZ4. Nothing is lost: it waits for nfcapd to read and to write.
func capture(dir string, flows int) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := free.LocalAddr().(*net.UDPAddr).Port
	if err := free.Close(); err != nil {
		return err
	}
	nfcapd, err := peer.StartNfcapd("nfcapd", dir, port, "-y")
	if err != nil {
		return err
	}
	defer nfcapd.Kill()
	var b bytes.Buffer
	out := show.NewIPFIX(&b)
	flowgen.Generate(flowgen.Options{Flows: flows, Day: day.Unix(), Seed: 42}, func(made []flowgen.Flow) {
		if err != nil {
			return
		}
		for i := range made {
			r := record(&made[i])
			err = errors.Join(err, out.Flow(&query.Found{Record: query.Record{Record: r}}))
		}
		err = errors.Join(err, out.Close()) // a message ends with the datagram
		for b.Len() > 0 && err == nil {
			err = nfcapd.Send(b.Next(int(binary.BigEndian.Uint16(b.Bytes()[2:]))))
		}
		b.Reset()
	})
	return errors.Join(err, nfcapd.Stop())
}

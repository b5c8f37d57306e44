package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/show"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

// capture sends a made day as IPFIX over loopback to nfcapd, which writes it to a folder
// with LZ4. Nothing is lost: it waits for nfcapd to read.
func capture(dir string, flows int) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	c, err := startCollector(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
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
			err = c.send(b.Next(int(binary.BigEndian.Uint16(b.Bytes()[2:]))))
		}
		b.Reset()
	})
	return err
}

// collector is a running nfcapd.
type collector struct {
	cmd  *exec.Cmd
	conn net.Conn
	port int
	sent int
}

func startCollector(dir string) (*collector, error) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &collector{port: free.LocalAddr().(*net.UDPAddr).Port}
	if err := free.Close(); err != nil {
		return nil, err
	}
	c.cmd = exec.Command("nfcapd", "-b", "127.0.0.1", "-p", strconv.Itoa(c.port), "-w", dir, "-t", "86400", "-y")
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if c.conn, err = net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", c.port)); err != nil {
		return nil, err
	}
	return c, c.await()
}

// send sends a datagram. Every few it waits until nfcapd has read them.
func (c *collector) send(datagram []byte) error {
	if _, err := c.conn.Write(datagram); err != nil {
		return err
	}
	if c.sent++; c.sent%64 != 0 {
		return nil
	}
	return c.await()
}

// await waits until nfcapd's socket is there and empty.
func (c *collector) await() error {
	name := fmt.Sprintf("0100007F:%04X", c.port)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Microsecond) {
		b, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 4 && f[1] == name && strings.HasSuffix(f[4], ":00000000") {
				return nil
			}
		}
	}
	return errors.New("nfcapd does not read")
}

// stop ends nfcapd, which closes its file.
func (c *collector) stop() error {
	err := c.await()
	err = errors.Join(err, c.cmd.Process.Signal(syscall.SIGTERM))
	if wait := c.cmd.Wait(); wait != nil && c.cmd.ProcessState.ExitCode() > 1 {
		err = errors.Join(err, wait)
	}
	return errors.Join(err, c.conn.Close())
}

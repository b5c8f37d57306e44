package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// withOutputs is flowhound with outputs, in the words of its configuration. Their
// plugins lie beside the program.
func withOutputs(name, binary, list, outputs string) collector {
	c := flowhound(binary, list, "")
	c.name = name
	plain := c.command
	c.command = func(dir string, port, web int) *exec.Cmd {
		cmd := plain(dir, port, web)
		conf, err := os.OpenFile(filepath.Join(dir, "flowhound.yaml"), os.O_WRONLY|os.O_APPEND, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(conf, "alert: {max_keys: 1000000}\noutputs:\n%s", outputs)
		}
		if err != nil {
			panic(err)
		}
		conf.Close()
		return cmd
	}
	return c
}

// outputs measures what goes through a plugin, and what outputs that all hang cost
// the path of flows.
func outputs(root, binary string) error {
	for _, typ := range []string{"syslog", "webhook", "elasticsearch"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(root, "flowhound-output-"+typ), "./plugin/"+typ).CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w: %s", err, out)
		}
	}
	list := filepath.Join(root, "100k.txt")
	if err := writeList(list, 100_000); err != nil {
		return err
	}
	if err := through(root, binary, list); err != nil {
		return err
	}
	return hanging(root, binary, list)
}

// through gathers hits in a spool while the target is down, lets it come up, and
// counts the lines that arrive through the syslog plugin.
func through(root, binary, list string) error {
	const hits, perSecond = 200_000, 10_000
	port, err := freePort("tcp")
	if err != nil {
		return err
	}
	p, s, err := begin(root, withOutputs("flowhound", binary, list, fmt.Sprintf("  - {name: siem, type: syslog, settings: {address: \"tcp://127.0.0.1:%d\"}}\n", port)))
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	defer s.close()
	defer p.stop()
	time.Sleep(3 * time.Second)
	rss, err := metric(p.web, "/metrics", "flowhound_output_memory_bytes")
	if err != nil {
		return err
	}
	for start := time.Now(); s.planted < hits; {
		if err := s.plant(flowsPerDatagram); err != nil {
			return err
		}
		time.Sleep(time.Until(start.Add(time.Duration(s.planted) * time.Second / perSecond)))
	}
	time.Sleep(2 * time.Second)
	waiting, err := metric(p.web, "/metrics", `flowhound_queue_depth{queue="output:siem"}`)
	if err != nil {
		return err
	}
	arrived, took, err := count(port, waiting)
	if err != nil {
		return err
	}
	fmt.Printf("one plugin (syslog over TCP): %d hits waited for the target; %d of them arrived at %.0f/s; the idle plugin took %d MB\n",
		waiting, arrived, float64(arrived)/took.Seconds(), rss>>20)
	return nil
}

// count is a syslog server that counts lines about hits until there are so many, or
// none comes for some time. It returns how long they took, from the first on.
func count(port int, want uint64) (arrived uint64, took time.Duration, err error) {
	sink, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, 0, err
	}
	defer sink.Close()
	if err := sink.(*net.TCPListener).SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return 0, 0, err
	}
	conn, err := sink.Accept()
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	start := time.Now()
	lines := bufio.NewScanner(conn)
	for arrived < want {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return 0, 0, err
		}
		if !lines.Scan() {
			break
		}
		if bytes.Contains(lines.Bytes(), []byte(" hit kind=")) {
			arrived++
		}
	}
	return arrived, time.Since(start), nil
}

// hanging holds the loss-free rate with outputs whose targets take connections and
// never say or read anything against the rate without outputs, while 100 hits come
// a second.
func hanging(root, binary, list string) error {
	hole, err := net.Listen("tcp4", "127.0.0.1:0") // the kernel takes connections, nobody accepts them
	if err != nil {
		return err
	}
	defer hole.Close()
	hung := withOutputs("flowhound-outputs-hang", binary, list, strings.ReplaceAll(`  - {name: syslog, type: syslog, settings: {address: "tcp://ADDR"}}
  - {name: webhook, type: webhook, settings: {service: generic, url: "http://ADDR/"}}
  - {name: elastic, type: elasticsearch, settings: {addresses: ["http://ADDR"]}}
`, "ADDR", hole.Addr().String()))
	hung.hits = true
	without := flowhound(binary, list, "")
	without.hits = true
	fmt.Println("| collector | highest loss-free rate, flows/s |")
	fmt.Println("|---|---|")
	for _, c := range []collector{without, hung} {
		r, _, err := highestRate(root, c)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %.2f M |\n", c.name, r/1e6)
	}
	return nil
}

// Command live measures what collectors take over loopback; see README.md.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	only := flag.String("only", "", "measure the rate of these collectors alone, their names separated by ;")
	flag.Parse()
	if err := run(flag.Args(), *only); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

func run(what []string, only string) error {
	root, err := os.MkdirTemp("", "flowhound-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	binary := filepath.Join(root, "flowhound")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/flowhound").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s (run it at the top of the repository)", err, out)
	}
	if len(what) == 0 {
		what = []string{"memory", "latency", "reload", "outputs", "rate"}
	}
	for _, w := range what {
		switch w {
		case "rate":
			err = rates(root, binary, only)
		case "latency":
			err = latency(root, binary)
		case "reload":
			err = reload(root, binary)
		case "outputs":
			err = outputs(root, binary)
		case "browsers":
			err = browsers(root, binary)
		case "memory":
			err = memory(root, binary)
		default:
			err = fmt.Errorf("unknown measurement %q", w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeList writes n entries: addresses of 11.0.0.0/8, a tenth of them as /24, and
// 198.51.0.0/16, which planted hits talk to.
func writeList(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "198.51.0.0/16")
	for i := range n - 1 {
		a := uint32(11)<<24 | uint32(i)*13&0xffffff
		if i%10 == 0 {
			fmt.Fprintf(w, "%d.%d.%d.0/24\n", a>>24, a>>16&255, a>>8&255)
			continue
		}
		fmt.Fprintf(w, "%d.%d.%d.%d\n", a>>24, a>>16&255, a>>8&255, a&255)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func ip4(a uint32) string {
	return net.IP(binary.BigEndian.AppendUint32(nil, a)).String()
}

func freePort(network string) (int, error) {
	if network == "udp" {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// rsyslog is a real rsyslogd that writes each message as it came, one a line.
type rsyslog struct {
	path, dir string
	cmd       *exec.Cmd

	udp, tcp, tls         string // host:port
	stream, log, datagram string // paths: imptcp's, imuxsock's as for /dev/log, and for RFC 5424
}

// startRsyslog skips the test, or fails it with FLOWHOUND_PEERS=required, where
// rsyslog is not installed.
func startRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	path := peer.Path(t, "rsyslogd", "rsyslog rsyslog-gnutls")
	dir, err := os.MkdirTemp("", "fh") // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeCerts(t, dir)
	r := &rsyslog{
		path: path, dir: dir, udp: peer.FreePort(t, "udp").String(), tcp: peer.FreePort(t, "tcp").String(), tls: peer.FreePort(t, "tcp").String(),
		stream: dir + "/stream", log: dir + "/log", datagram: dir + "/dgram",
	}
	port := func(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
	conf := strings.NewReplacer("DIR", dir, "UDP", port(r.udp), "TCP", port(r.tcp), "TLS", port(r.tls)).Replace(rsyslogConf)
	if err := os.WriteFile(dir+"/rsyslog.conf", []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	t.Cleanup(func() { r.kill(t) })
	return r
}

const rsyslogConf = `
global(workDirectory="DIR" maxMessageSize="64k" defaultNetstreamDriverCAFile="DIR/ca.pem" defaultNetstreamDriverCertFile="DIR/server.pem" defaultNetstreamDriverKeyFile="DIR/server.key")
module(load="imudp")
module(load="imptcp")
module(load="imuxsock" SysSock.Use="off")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer="flowhound.example")
template(name="raw" type="string" string="%rawmsg%\n")
ruleset(name="r") { action(type="omfile" file="DIR/out" template="raw" asyncWriting="off" flushOnTXEnd="on") }
input(type="imudp" address="127.0.0.1" port="UDP" ruleset="r" rcvbufSize="4m")
input(type="imptcp" address="127.0.0.1" port="TCP" ruleset="r" supportOctetCountedFraming="on")
input(type="imptcp" path="DIR/stream" unlink="on" ruleset="r" supportOctetCountedFraming="on")
input(type="imtcp" address="127.0.0.1" port="TLS" ruleset="r")
input(type="imuxsock" socket="DIR/log" ruleset="r" rateLimit.interval="0")
input(type="imuxsock" socket="DIR/dgram" ruleset="r" rateLimit.interval="0" useSpecialParser="off")
`

func (r *rsyslog) start(t *testing.T) {
	t.Helper()
	var said bytes.Buffer
	r.cmd = exec.Command(r.path, "-n", "-f", r.dir+"/rsyslog.conf", "-i", r.dir+"/pid")
	r.cmd.Stdout, r.cmd.Stderr = &said, &said
	r.cmd.SysProcAttr = dieWithTest()
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var err error
		for _, addr := range []string{r.tcp, r.tls} {
			var c net.Conn
			if c, err = net.Dial("tcp", addr); err != nil {
				break
			}
			c.Close()
		}
		if err == nil {
			for _, s := range []string{r.stream, r.log, r.datagram} {
				if _, err = os.Stat(s); err != nil {
					break
				}
			}
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.kill(t)
			t.Fatalf("rsyslogd does not come up: %v\n%s", err, said.String())
		}
	}
}

// kill ends rsyslogd without warning, as a crash does.
func (r *rsyslog) kill(t *testing.T) {
	t.Helper()
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Signal(syscall.SIGKILL)
		_ = r.cmd.Wait()
		os.Remove(r.dir + "/pid")
	}
}

// out returns the lines that rsyslogd has written, once done says they suffice.
func (r *rsyslog) out(t *testing.T, done func([]string) bool) []string {
	t.Helper()
	var lines []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(r.dir + "/out")
		if err == nil && strings.HasSuffix(string(b), "\n") {
			if lines = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"); done(lines) {
				return lines
			}
		}
	}
	return lines
}

// writeCerts writes a private CA (ca), what it has signed for localhost (server),
// for flowhound.example (client) and for another (stranger), and another CA (otherca).
func writeCerts(t *testing.T, dir string) {
	t.Helper()
	ca, caKey := cert(t, dir, "ca", nil, nil)
	cert(t, dir, "otherca", nil, nil)
	for name, host := range map[string]string{"server": "localhost", "client": "flowhound.example", "stranger": "stranger.example"} {
		cert(t, dir, name+"="+host, ca, caKey)
	}
}

func cert(t *testing.T, dir, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	name, host, _ := strings.Cut(name, "=")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: fmt.Sprint(name, host)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if ca == nil {
		ca, caKey, tmpl.IsCA, tmpl.KeyUsage, tmpl.ExtKeyUsage = tmpl, key, true, x509.KeyUsageCertSign, nil
	} else {
		tmpl.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, path), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, key
}

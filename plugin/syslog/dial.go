package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"
)

// tlsFiles are the settings of TLS. The files are read at every connection, so
// that a renewed certificate is used without a restart.
type tlsFiles struct{ ca, cert, key, serverName string }

// dialTarget connects to t. A peer that vanishes without a word is noticed by
// keep-alives while nothing is written, and by the kernel after timeout while
// something is.
func dialTarget(ctx context.Context, t target, timeout time.Duration, files tlsFiles) (net.Conn, error) {
	d := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
		ControlContext:  userTimeout(timeout),
	}
	switch t.scheme {
	case "tls":
		conf, err := files.config(t.host)
		if err != nil {
			return nil, err
		}
		return (&tls.Dialer{NetDialer: d, Config: conf}).DialContext(ctx, "tcp", t.addr)
	default:
		return d.DialContext(ctx, t.scheme, t.addr)
	}
}

func (f tlsFiles) config(host string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if f.serverName != "" {
		conf.ServerName = f.serverName
	}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: no certificate in PEM form in %s", f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

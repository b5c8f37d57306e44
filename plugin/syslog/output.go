package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// output is the settings and, once open, what delivers by them.
type output struct {
	Address        string         `json:"address" validate:"required"`
	Format         string         `json:"format" validate:"omitempty,oneof=rfc3164 rfc5424"`
	Payload        string         `json:"payload" validate:"oneof=line kv json cef leef"`
	Framing        string         `json:"framing" validate:"omitempty,oneof=lf octet"`
	Facility       string         `json:"facility" validate:"oneof=kern user mail daemon auth syslog lpr news uucp cron authpriv ftp local0 local1 local2 local3 local4 local5 local6 local7"`
	Hostname       string         `json:"hostname" validate:"omitempty,max=255,printascii"`
	AppName        string         `json:"app_name" validate:"required,max=48,printascii,excludesall= :[]"`
	StructuredData string         `json:"sd_id"`
	MaxSize        int            `json:"max_size" validate:"omitempty,max=65000"`
	Pace           *time.Duration `json:"pace" validate:"omitempty,min=0,max=1s"`
	Timeout        time.Duration  `json:"timeout" validate:"min=100ms,max=10m"`
	CAFile         string         `json:"ca_file" validate:"omitempty,file"`
	CertFile       string         `json:"cert_file" validate:"omitempty,file"`
	KeyFile        string         `json:"key_file" validate:"omitempty,file"`
	ServerName     string         `json:"server_name"`

	version string
	format  formatter
	framing string
	link    *link
}

// Open prepares the formatter and connects.
func (o *output) Open(ctx context.Context) error {
	t, err := parseAddress(o.Address)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	host := o.Hostname
	if host == "" && !t.local() { // whoever listens on a local socket knows the host
		if host, err = os.Hostname(); err != nil {
			return fmt.Errorf("this host's name cannot be found: %w; set hostname", err)
		}
	}
	format := o.formatFor(t)
	o.format = formatter{
		header: header{
			format: format, facility: facilities[o.Facility], host: host, app: o.AppName, pid: os.Getpid(), sd: o.StructuredData,
			tagless: o.Payload == payloadCEF || o.Payload == payloadLEEF,
		},
		payload: o.Payload, version: cmp.Or(o.version, "(devel)"), size: o.sizeFor(format),
	}
	o.framing = o.framingFor(t)
	if o.link != nil { // what it has to write again stays
		return o.link.connect(ctx)
	}
	o.link = &link{target: t, timeout: o.Timeout, pace: o.paceFor(t), files: tlsFiles{ca: o.CAFile, cert: o.CertFile, key: o.KeyFile, serverName: o.ServerName}}
	return o.link.connect(ctx)
}

// Write sends hits as one batch. A hit that cannot be made to fit is refused for
// good; everything else that goes wrong is tried again with all of the batch.
func (o *output) Write(ctx context.Context, hits []plugin.Hit) error {
	if o.link == nil {
		return errors.New("the output is not open")
	}
	batch := o.link.next(len(hits))
	errs := make([]error, len(hits))
	var scratch []byte
	for i := range hits {
		msg, err := o.format.append(scratch[:0], &hits[i])
		scratch = msg
		if err != nil {
			errs[i] = plugin.Permanent(err)
			continue
		}
		batch.add(msg, o.framing)
	}
	if err := o.link.write(ctx, batch); err != nil {
		return err
	}
	return plugin.Partial(errs)
}

// Close tells the peer that no more follows, and waits until it has seen that.
func (o *output) Close(ctx context.Context) error {
	if o.link != nil {
		o.link.close(ctx)
	}
	return nil
}

// batch is messages as they go over the wire, and where each of them ends.
type batch struct {
	buf  []byte
	ends []int
	at   time.Time // when it was written
}

// add appends one message: RFC 6587 section 3.4.1 counts its octets, section
// 3.4.2 ends it with LF; a datagram needs neither.
func (b *batch) add(msg []byte, framing string) {
	if framing == framingOctet {
		b.buf = append(strconv.AppendInt(b.buf, int64(len(msg)), 10), ' ')
	}
	b.buf = append(b.buf, msg...)
	if framing == framingLF {
		b.buf = append(b.buf, '\n')
	}
	b.ends = append(b.ends, len(b.buf))
}

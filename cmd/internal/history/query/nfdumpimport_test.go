package query_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/printed"
	"github.com/flowhound/flowhound/cmd/internal/history/foreign"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

// TestImportFromNfdump: what a real nfdump prints of a file that a real nfcapd has
// written, in each form that import reads, are the flows that were sent.
func TestImportFromNfdump(t *testing.T) {
	peer.Long(t)
	nfcapd, nfdump := peer.Path(t, "nfcapd", "nfdump"), peer.Path(t, "nfdump", "nfdump")
	files := t.TempDir()
	capture := startNfcapd(t, nfcapd, files)
	decoder := netflow.NewDecoder(netflow.Options{})
	var batch flow.Batch
	var sent []flow.Record
	day := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	send(t, flowgen.Options{Flows: 20_000, Day: day.Unix(), Seed: 2}, func(datagram []byte, received int64) {
		if err := capture.Send(datagram); err != nil {
			t.Fatal(err)
		}
		batch.Reset()
		if err := decoder.Decode(datagram, netip.MustParseAddrPort("127.0.0.1:9995"), received, &batch); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, batch.Records...)
	})
	if err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"csv", "json", "line6", "long6", "extended6"} {
		t.Run(form, func(t *testing.T) {
			precision := time.Millisecond
			if form == "csv" {
				precision = time.Second
			}
			want := asPrinted(sent, precision)
			var out, errs bytes.Buffer
			cmd := exec.CommandContext(t.Context(), nfdump, "-R", files, "-N", "-o", form)
			cmd.Env = append(os.Environ(), "TZ=UTC")
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, errs.String())
			}
			var read []flow.Record
			result, err := foreign.NewReader(printed.Options{Zone: time.UTC}).Read(t.Context(), &out, func(b []flow.Record) error {
				read = append(read, b...)
				return nil
			})
			if err != nil || result.Bad > 0 || len(read) != len(sent) {
				t.Fatalf("%d records of %d, %v, %+v", len(read), len(sent), err, result)
			}
			got := asPrinted(read, precision)
			for k, n := range want {
				if got[k] != n {
					t.Fatalf("%s: %d times, was sent %d times", k, got[k], n)
				}
			}
		})
	}
}

// asPrinted counts records by what all forms print of them. Ports of ICMP are its type and
// code, which the forms print in different ways.
func asPrinted(records []flow.Record, precision time.Duration) map[string]int {
	out := map[string]int{}
	for i := range records {
		r := &records[i]
		sport, dport := r.SrcPort, r.DstPort
		if r.Proto == 1 || r.Proto == 58 {
			sport, dport = 0, 0
		}
		out[fmt.Sprintln(r.Src, sport, r.Dst, dport, r.Proto, r.Bytes, r.Packets, time.Unix(0, r.Start).UTC().Truncate(precision))]++
	}
	return out
}

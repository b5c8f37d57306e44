package foreign

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/printed"
)

const captures = "../../../../testdata/pcap"

func readFile(t *testing.T, r *Reader, path string) (records []flow.Record, result Result) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	result, err = r.Read(t.Context(), f, func(b []flow.Record) error {
		if len(b) == 0 || len(b) > BatchRecords {
			t.Errorf("a batch of %d", len(b))
		}
		records = append(records, b...)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if uint64(len(records)) != result.Records {
		t.Errorf("%s: %d records, %d are told", path, len(records), result.Records)
	}
	return records, result
}

func TestCapture(t *testing.T) {
	records, result := readFile(t, NewReader(printed.Options{}), filepath.Join(captures, "mixed-v9.pcap.gz"))
	if result.Format != "capture" || len(records) == 0 || result.First.IsZero() || !result.Last.After(result.First) {
		t.Errorf("%+v", result)
	}
	for i := range records {
		if records[i].Version != 9 || records[i].Exporter.IsUnspecified() || records[i].Received == 0 {
			t.Fatalf("%s", records[i].AppendJSON(nil))
		}
	}
}

func TestText(t *testing.T) {
	records, result := readFile(t, NewReader(printed.Options{Zone: time.UTC}), "../../flow/printed/testdata/nfdump.csv")
	if len(records) != 12 || result.Bad != 0 || result.Format != "nfdump csv" || result.First.Format(time.RFC3339) != "2026-11-23T10:00:01Z" {
		t.Errorf("%d records, %+v", len(records), result)
	}
}

func TestBad(t *testing.T) {
	const head, fine = "ts,te,td,sa,da,sp,dp,pr\n", "2026-06-07 10:00:00,,1.0,10.0.0.1,192.0.2.1,1,2,TCP\n"
	r := NewReader(printed.Options{Zone: time.UTC})
	result, err := r.Read(t.Context(), strings.NewReader(head+fine+strings.Repeat("rubbish,\n", 9)+fine), func([]flow.Record) error { return nil })
	if err != nil || result.Records != 2 || result.Bad != 9 || len(result.Why) != maxWhy || !strings.HasPrefix(result.Why[0], "line 3: ") {
		t.Errorf("%v %+v", err, result)
	}
	for text, want := range map[string]string{"": "is empty", "hello\n": "it is not a capture, and neither nfdump's", "\xd4\xc3\xb2\xa1": "read capture"} {
		if _, err := r.Read(t.Context(), strings.NewReader(text), func([]flow.Record) error { return nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	full := errors.New("disk full")
	if _, err := r.Read(t.Context(), strings.NewReader(head+fine), func([]flow.Record) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	if result, _ := r.Read(t.Context(), strings.NewReader(head+fine), func([]flow.Record) error { return full }); result.Records != 0 {
		t.Errorf("%d records are told that were not kept", result.Records)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	if _, err := r.Read(ctx, strings.NewReader(head+fine), func([]flow.Record) error { n++; return nil }); !errors.Is(err, context.Canceled) || n > 0 {
		t.Error(err, n)
	}
	if slices.Contains(result.Why, "") {
		t.Error(result.Why)
	}
}

package netflow

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := OpenStore(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
}

// TestTemplatesAndSamplingSurviveARestart ends a worker without any farewell,
// and lets another one read data of the same exporters without new templates.
func TestTemplatesAndSamplingSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	booted := uint64(testReceived/1e6) - 3_600_000
	feed(t, NewDecoder(Options{Templates: store}),
		v9Datagram(0, set(0, templateRecord(256, spec{8, 4, 0}, spec{12, 4, 0}, spec{48, 1, 0})),
			options(v9, nil, []fieldValue{f(48, u8(5)), f(50, u32(64))}), set(256, pair, u8(5))),
		ipfixMessage(0, set(2, templateRecord(400, spec{8, 4, 0}, spec{82, variableLength, 0}, spec{12, 4, 0}, spec{22, 4, 0}, spec{1, 8, penReverse})),
			options(ipfix, nil, []fieldValue{f(305, u32(1)), f(306, u32(9)), f(160, u64(booted))})))
	save(t, store)

	d := NewDecoder(Options{Templates: openStore(t, path)})
	got := feed(t, d, v9Datagram(9, set(256, pair, u8(5))),
		ipfixMessage(9, set(400, ip("10.0.0.1"), u8(2), []byte("ab"), ip("198.51.100.7"), u32(3_590_000), u64(77))))
	wantPairs(t, got, there, there)
	if got[0].Sampling != 64 {
		t.Errorf("v9 sampling %d, want 64", got[0].Sampling)
	}
	if got[1].Sampling != 10 || got[1].Start != testReceived-10e9 || got[1].RevBytes != 77 {
		t.Errorf("ipfix: %+v", got[1])
	}
	if n := d.Stats().Exporters[0].Templates; n != 4 {
		t.Errorf("%d templates are held, want 4", n)
	}
}

func TestStoreKeepsWhatItReadWhenItIsSavedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	other := netip.MustParseAddrPort("192.0.2.77:1")
	for _, from := range []netip.AddrPort{testExporter, other} { // each in a run of its own
		store := openStore(t, path)
		_ = NewDecoder(Options{Templates: store}).Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)), from, testReceived, &flow.Batch{})
		save(t, store)
	}
	d := NewDecoder(Options{Templates: openStore(t, path)})
	var out flow.Batch
	for _, from := range []netip.AddrPort{testExporter, other} {
		_ = d.Decode(v9Datagram(1, set(256, pair)), from, testReceived, &out)
	}
	wantPairs(t, out.Records, there, there)
}

func TestWithdrawalIsStoredToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	feed(t, NewDecoder(Options{Templates: store}),
		ipfixMessage(0, set(2, templateRecord(256, srcDst...), templateRecord(257, dstSrc...)), set(256, pair)),
		ipfixMessage(0, set(2, templateRecord(256))))
	save(t, store)
	got := feed(t, NewDecoder(Options{Templates: openStore(t, path)}), ipfixMessage(0, set(256, pair), set(257, pair)))
	wantPairs(t, got, back)
}

func TestUnchangedTemplatesAreNotSavedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	d := NewDecoder(Options{Templates: store})
	all := v9Datagram(0, set(0, templateRecord(256, srcDst...)), options(v9, nil, []fieldValue{f(34, u32(64))}))
	feed(t, d, all, v9Datagram(1, set(256, pair)))
	select {
	case <-store.Changed():
	default:
		t.Fatal("a new template did not wake the saver")
	}
	save(t, store)
	written := store.Stats().Written
	feed(t, d, all, v9Datagram(2, set(256, pair)))
	select {
	case <-store.Changed():
		t.Error("a refresh woke the saver")
	default:
	}
	save(t, store)
	if n := store.Stats().Written; written == 0 || n != written {
		t.Errorf("a refresh was written: %d bytes, then %d", written, n)
	}
}

func TestForgottenExporterComesBackWithItsTemplates(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "templates"))
	d := NewDecoder(Options{Templates: store})
	feed(t, d, v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)))
	p, _ := d.exporters.get(exporterKey{addr: flow.AddrFrom(testExporter.Addr())})
	d.forget(p)
	wantPairs(t, feed(t, d, v9Datagram(1, set(256, pair))), there)
}

// storedFile is a file with the templates of n exporters, and their addresses.
func storedFile(t *testing.T, path string, n int) (from []netip.AddrPort) {
	t.Helper()
	store := openStore(t, path)
	d := NewDecoder(Options{Templates: store})
	for i := range n {
		from = append(from, spoofed(uint32(i)))
		_ = d.Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)), from[i], testReceived, &flow.Batch{})
		save(t, store) // so that the records stand in this order
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return from
}

// readable returns whose data can be read with what a store has.
func readable(s *Store, from []netip.AddrPort) (list []int) {
	for i, a := range from {
		var out flow.Batch
		_ = NewDecoder(Options{Templates: s}).Decode(v9Datagram(1, set(256, pair)), a, testReceived, &out)
		if len(out.Records) == 1 {
			list = append(list, i)
		}
	}
	return list
}

// TestDamageCostsTheExporterThatItHit damages the file in each way; what was not hit
// is read, what was is counted and said, and the store goes on.
func TestDamageCostsTheExporterThatItHit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	from := storedFile(t, path, 3)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	each := (len(good) - len(storeKind) - 1) / 3
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 0x55
		return b
	}
	for name, c := range map[string]struct {
		content []byte
		want    []int
	}{
		"first record":    {flip(len(storeKind) + each/2), []int{1, 2}},
		"second record":   {flip(len(storeKind) + each + each/2), []int{0, 2}},
		"torn":            {good[:len(good)-1], []int{0, 1}},
		"other version":   {bytes.Replace(good, []byte(" 2\n"), []byte(" 9\n"), 1), nil},
		"rubbish":         {bytes.Repeat([]byte("x"), 1000), nil},
		"old and damaged": {[]byte("flowhound-templates 1 00000000\n[]"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := OpenStore(path)
			if (err == nil) != (name == "torn") || s == nil || s.Stats().Lost == 0 {
				t.Fatalf("error %v, %+v", err, s.Stats())
			}
			if got := readable(s, from); !slices.Equal(got, c.want) {
				t.Errorf("exporters %v can be read, want %v", got, c.want)
			}
			save(t, s) // leaves the damage out
			if _, err := OpenStore(path); err != nil {
				t.Errorf("said twice: %v", err)
			}
			for _, a := range from {
				_ = NewDecoder(Options{Templates: s}).Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)), a, testReceived, &flow.Batch{})
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := readable(openStore(t, path), from); len(got) != 3 {
				t.Errorf("after they came again: %v", got)
			}
		})
	}
}

// TestFileOfTheFirstVersionIsRead takes over what an earlier flowhound left.
func TestFileOfTheFirstVersionIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	body := `[{"addr":"198.51.100.0","domains":[{"version":9,"id":7,"templates":[{"wire":"` +
		base64.StdEncoding.EncodeToString(templateRecord(256, srcDst...)) + `"}],"sampling":64}]}]`
	old := fmt.Sprintf("flowhound-templates 1 %08x\n%s", crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)), body)
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	from := []netip.AddrPort{spoofed(0)}
	s := openStore(t, path)
	if got := readable(s, from); len(got) != 1 {
		t.Errorf("exporters %v can be read", got)
	}
	save(t, s)
	if got := readable(openStore(t, path), from); len(got) != 1 {
		t.Errorf("after a save: %v", got)
	}
}

func TestHalfWrittenFilesAreSwept(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"templates.tmp123", ".templates.456.tmp", "templates.tmp", "other.tmp1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openStore(t, filepath.Join(dir, "templates"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("left are %v, error %v", files, err)
	}
}

func TestFailedSaveIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	store, err := OpenStore(filepath.Join(dir, "templates"))
	if err == nil {
		t.Fatal("no error without a directory")
	}
	feed(t, NewDecoder(Options{Templates: store}), v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)))
	if err := store.Save(); err == nil {
		t.Fatal("no error without a directory")
	}
	if s := store.Stats(); s.Failures != 1 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	save(t, store)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "templates" {
		t.Errorf("files %v, error %v", files, err)
	}
	if s := store.Stats(); s.Waiting != 0 || s.Bytes == 0 {
		t.Errorf("%+v", s)
	}
}

func TestStoreIsShared(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "templates"))
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			d := NewDecoder(Options{Templates: store})
			var out flow.Batch
			for i := range 50 {
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(w*50 + i)}), 1)
				_ = d.Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...)), set(256, pair)), from, testReceived, &out)
				if err := store.Save(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	d := NewDecoder(Options{Templates: store})
	var out flow.Batch
	for i := range 200 {
		_ = d.Decode(v9Datagram(0, set(256, pair)), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1), testReceived, &out)
	}
	if len(out.Records) != 200 {
		t.Errorf("%d of 200 exporters kept their template", len(out.Records))
	}
}

// TestStoreIsBounded: exporters that bring all that they can cost bounded memory, and
// those that came first stay.
func TestStoreIsBounded(t *testing.T) {
	peer.Long(t)
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	d := NewDecoder(Options{Templates: store})
	var out flow.Batch
	const exporters, templates = 200, 350 // of 600 bytes each: 40 MiB
	for n := range uint32(exporters) {
		records := templateRecord(256, srcDst...)
		for id := range uint16(templates - 1) {
			records = append(records, templateRecord(257+id, slices.Concat(layoutV9, layoutV9)...)...)
		}
		_ = d.Decode(v9Datagram(0, set(0, records), set(256, pair)), spoofed(n), testReceived, &out)
	}
	if store.memory > maxMemory || store.memory < maxMemory*3/4 {
		t.Errorf("the store holds %d bytes, want up to %d", store.memory, maxMemory)
	}
	held := store.memory
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, path)
	if again.memory != held {
		t.Errorf("%d bytes were read again of %d", again.memory, held)
	}
	d = NewDecoder(Options{Templates: again})
	for n, want := range map[uint32]int{0: templates, exporters - 2: 0} {
		_ = d.Decode(v9Datagram(1), spoofed(n), testReceived, &out)
		for _, e := range d.Stats().Exporters {
			if e.Exporter == spoofed(n).Addr() && e.Templates != want {
				t.Errorf("exporter %d has %d templates after a restart, want %d", n, e.Templates, want)
			}
		}
	}
}

// TestWhatIsWrittenIsBounded lets exporters change their templates with each datagram:
// what reaches the disk stays small, and the last state is there in the end.
func TestWhatIsWrittenIsBounded(t *testing.T) {
	peer.Long(t)
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	d := NewDecoder(Options{Templates: store})
	start := time.Now()
	now := start
	var out flow.Batch
	for i := range 200 { // 100 exporters, each with a template of 1.3 kB every time
		for n := range uint32(100) {
			wide := make([]spec, 300)
			for k := range wide {
				wide[k] = spec{uint16(1000 + (i+k)%500), 4, 0}
			}
			out.Reset()
			_ = d.Decode(v9Datagram(0, set(0, templateRecord(256, append(wide, srcDst...)...)), set(256, make([]byte, 1200), pair)), spoofed(n), now.UnixNano(), &out)
		}
		if err := store.save(now, false); err != nil {
			t.Fatal(err)
		}
		now = now.Add(9 * time.Second)
	}
	s := store.Stats()
	if rate := float64(s.Written-budgetBurst) / now.Sub(start).Seconds(); rate > 3*budgetRate {
		t.Errorf("%d bytes written, %.0f a second", s.Written, rate)
	}
	if s.Bytes > 8<<20 {
		t.Errorf("the file has %d bytes", s.Bytes)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openStore(t, path).Stats(); got.Exporters != 100 || got.Bytes != store.Stats().Bytes {
		t.Errorf("read again: %+v", got)
	}
}

// TestStoredTemplatesAge: what an exporter that is gone has left is dropped in the end,
// and what a host without a clock has written is not.
func TestStoredTemplatesAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	from := storedFile(t, path, 1)
	saved := openStore(t, path)
	for p := range saved.exporters.all {
		for age, want := range map[time.Duration]bool{0: true, 29 * 24 * time.Hour: true, 31 * 24 * time.Hour: false, 60 * 365 * 24 * time.Hour: true} {
			fe := fileExporter{Addr: p.key.addr.IP(), Rank: proven, Saved: time.Now().Add(-age).Unix()}
			fe.Domains = append(fe.Domains, p.value.domains[0].file())
			s := newStore("")
			if !s.take(&fe, 1, time.Now()) || (len(readable(s, from)) == 1) != want {
				t.Errorf("of %v ago: %+v", age, s.Stats())
			}
		}
	}
}

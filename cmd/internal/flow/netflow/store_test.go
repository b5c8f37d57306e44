package netflow

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
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
			options(v9, nil, []fieldValue{f(48, u8(5)), f(50, u32(64))})),
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
		_ = NewDecoder(Options{Templates: store}).Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...))), from, testReceived, &flow.Batch{})
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
		ipfixMessage(0, set(2, templateRecord(256, srcDst...), templateRecord(257, dstSrc...))),
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
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	feed(t, d, all, v9Datagram(2, set(256, pair)))
	select {
	case <-store.Changed():
		t.Error("a refresh woke the saver")
	default:
	}
	save(t, store)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("a refresh was written")
	}
}

func TestForgottenExporterComesBackWithItsTemplates(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "templates"))
	d := NewDecoder(Options{Templates: store, MaxExporters: 1})
	feed(t, d, v9Datagram(0, set(0, templateRecord(256, srcDst...))))
	var out flow.Batch
	_ = d.Decode(v5Datagram(1, 0, v5Record()), netip.MustParseAddrPort("192.0.2.9:1"), testReceived, &out)
	wantPairs(t, feed(t, d, v9Datagram(1, set(256, pair))), there)
}

func TestDamagedStoreIsEmptyWithAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	feed(t, NewDecoder(Options{Templates: store}), v9Datagram(0, set(0, templateRecord(256, srcDst...))))
	save(t, store)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-5] ^= 1
	for name, content := range map[string][]byte{
		"empty": {}, "short": good[:10], "cut": good[:len(good)-1], "flipped bit": flipped,
		"other version": bytes.Replace(good, []byte(" 1 "), []byte(" 9 "), 1), "rubbish": bytes.Repeat([]byte("x"), 1000),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := OpenStore(path)
			if err == nil || s == nil {
				t.Fatalf("store %v, error %v", s, err)
			}
			feed(t, NewDecoder(Options{Templates: s}), v9Datagram(0, set(0, templateRecord(256, srcDst...))))
			save(t, s)
			wantPairs(t, feed(t, NewDecoder(Options{Templates: openStore(t, path)}), v9Datagram(0, set(256, pair))), there)
		})
	}
}

func TestFailedSaveIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	store := openStore(t, filepath.Join(dir, "templates"))
	feed(t, NewDecoder(Options{Templates: store}), v9Datagram(0, set(0, templateRecord(256, srcDst...))))
	if err := store.Save(); err == nil {
		t.Fatal("no error without a directory")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	save(t, store)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "templates" {
		t.Errorf("files %v, error %v", files, err)
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
				_ = d.Decode(v9Datagram(0, set(0, templateRecord(256, srcDst...))), from, testReceived, &out)
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

// TestStoreIsBounded: forged exporters cost bounded memory, and a file that can
// be read again.
func TestStoreIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates")
	store := openStore(t, path)
	d := NewDecoder(Options{Templates: store, MaxExporters: 1})
	var out flow.Batch
	const exporters, templates = 200, 350 // of 600 bytes each: 40 MiB
	from := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), 1)
	}
	for n := range exporters {
		var records []byte
		for id := range uint16(templates) {
			records = append(records, templateRecord(256+id, slices.Concat(layoutV9, layoutV9)...)...)
		}
		_ = d.Decode(v9Datagram(0, set(0, records)), from(n), testReceived, &out)
	}
	if store.memory > maxMemory || store.memory < maxMemory*3/4 {
		t.Errorf("the store holds %d bytes, want up to %d", store.memory, maxMemory)
	}
	held := store.memory
	save(t, store)
	again := openStore(t, path)
	if again.memory != held {
		t.Errorf("%d bytes were read again of %d", again.memory, held)
	}
	d = NewDecoder(Options{Templates: again})
	for n, want := range map[int]int{0: 0, exporters - 1: templates} {
		_ = d.Decode(v9Datagram(1), from(n), testReceived, &out)
		for _, e := range d.Stats().Exporters {
			if e.Exporter == from(n).Addr() && e.Templates != want {
				t.Errorf("exporter %d has %d templates after a restart, want %d", n, e.Templates, want)
			}
		}
	}
}

package settings

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"90d": 90 * day, "1d12h": day + 12*time.Hour, "0d1s": time.Second, "65535d": 65535 * day, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "0": 0,
	} {
		if got, err := parseDuration(s); got != want || err != nil {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "d", "5", "-1h", "1d-2h", "-1d", "1.5d", "1h2d", "1d1d", "65536d", "65535d2540400h", "5 m", "1w"} {
		if got, err := parseDuration(s); err == nil {
			t.Errorf("%q was taken as %v", s, got)
		}
	}
}

func TestSize(t *testing.T) {
	for s, want := range map[string]Size{
		"0": 0, "1500": 1500, "1B": 1, "500KB": 500_000, "100MB": 100_000_000, "2 gb": 2_000_000_000, "1KiB": 1024, "64mib": 64 << 20, "3TiB": 3 << 40,
		"9223372036854775807": 1<<63 - 1,
	} {
		got, err := unmarshal[Size](s)
		if got != want || err != nil {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
		written, _ := got.MarshalText()
		if again, err := unmarshal[Size](string(written)); again != got || err != nil {
			t.Errorf("%d is written as %q, which is %d, %v", got, written, again, err)
		}
	}
	for _, s := range []string{"", "MB", "-1MB", "1.5GB", "100M", "1  MB", "9223372036854775808", "9300000000GB", "0x10"} {
		if got, err := unmarshal[Size](s); err == nil {
			t.Errorf("%q was taken as %d", s, got)
		}
	}
}

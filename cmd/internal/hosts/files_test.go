package hosts

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"hosts": {
			"# static\n127.0.0.1 localhost\n::1 localhost ip6-localhost\n10.1.2.3\tlaptop.example laptop # of Ann\n\n" +
				"2001:db8::5 printer\n0.0.0.0 ads.example\nfe80::1%eth0 router\n10.1.2.4\nnot an address\n::ffff:10.1.2.5 mapped\n",
			[]string{"10.1.2.3 laptop.example", "2001:db8::5 printer", "fe80::1 router", "10.1.2.5 mapped"},
		},
		"dnsmasq": {
			"1764331200 00:11:22:33:44:55 10.1.2.3 laptop 01:00:11:22:33:44:55\n1795867201 00:11:22:33:44:56 10.1.2.4 phone *\n" +
				"0 00:11:22:33:44:57 10.1.2.5 static *\n1795867201 00:11:22:33:44:58 10.1.2.6 * *\n" +
				"duid 00:01:00:01:2a:2b\n1795867201 12345 2001:db8::7 tablet 00:01:00:01\n",
			[]string{"10.1.2.4 phone lease", "10.1.2.5 static lease", "2001:db8::7 tablet lease"},
		},
		"ISC": {
			`# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\000\001";
lease 10.1.2.3 {
  starts 4 2026/11/26 10:00:00;
  ends 0 2026/11/29 10:00:00;
  binding state active;
  hardware ethernet 00:11:22:33:44:55;
  uid "\001\000";
  client-hostname "old-name";
}
lease 10.1.2.4 {
  ends 0 2026/11/29 10:00:00;
  binding state active;
  next binding state free;
  client-hostname "phone";
  set ddns-fwd-name = "phone.example";
}
lease 10.1.2.5 {
  ends 5 2026/11/27 10:00:00;
  binding state active;
  client-hostname "ended";
}
lease 10.1.2.6 {
  binding state free;
  client-hostname "freed";
}
lease 10.1.2.7 {
  ends never;
  binding state active;
  client-hostname "forever";
}
lease 10.1.2.8 {
  ends epoch 1764151200; # Wed Nov 26 10:00:00 2025
  binding state active;
  client-hostname "epoch";
}
lease 10.1.2.3 {
  ends 0 2026/11/29 10:00:00;
  binding state active;
  client-hostname "laptop";
}
lease 10.1.2.9 {
  client-hostname "torn
`,
			[]string{"10.1.2.3 laptop lease", "10.1.2.4 phone.example lease", "10.1.2.7 forever lease"},
		},
		"Kea": {
			"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n" +
				"10.1.2.3,00:11:22:33:44:55,,4000,1795867201,1,0,0,old,0,,0\n10.1.2.4,00:11:22:33:44:56,,4000,1764151200,1,0,0,ended,0,,0\n" +
				"10.1.2.3,00:11:22:33:44:55,,4000,1795867201,1,1,1,laptop.example.,0,,0\n10.1.2.5,x,,4000,1795867201,1,0,0,declined,1,,0\n",
			[]string{"10.1.2.3 laptop.example lease"},
		},
		"hostile": {
			"10.1.2.3 <script>alert(1)</script>\n10.1.2.4 \u202egnp.exe\n10.1.2.5 " + strings.Repeat("x", 10_000) + "\n10.1.2.6 a\x1b[2Jb\n10.1.2.7 ---\n",
			[]string{"10.1.2.3 -script-alert-1---script-", "10.1.2.4 -gnp.exe", "10.1.2.6 a--2Jb"},
		},
		"nothing": {"", nil},
	} {
		var got []string
		for _, n := range Parse([]byte(c.content), now) {
			text := n.Addr.String() + " " + n.Name
			if n.Lease {
				text += " lease"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestReadFileRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if _, err := ReadFile(path, now); !os.IsNotExist(err) {
		t.Error(err)
	}
	var b strings.Builder
	for i := range maxNames + 1 {
		fmt.Fprintf(&b, "%s h\n", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, now); err == nil || !strings.Contains(err.Error(), "the most is") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("10.1.2.3 laptop\n"))
	f.Add([]byte("1795867201 00:11 10.1.2.4 phone *\n"))
	f.Add([]byte("lease 10.1.2.3 {\n client-hostname \"a\";\n ends 0 2026/11/29 10:00:00;\n}\n"))
	f.Add([]byte("address,hwaddr,expire,hostname,state\n10.1.2.3,,9,\"a,0\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, n := range Parse(content, now) {
			if n.Name == "" || len(n.Name) > maxName || strings.ContainsAny(n.Name, " <>\"\x00\n") || !n.Addr.IsValid() {
				t.Errorf("%+q", n.Name)
			}
		}
	})
}

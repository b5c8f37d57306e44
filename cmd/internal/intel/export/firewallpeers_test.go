package export

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
)

// inNamespace runs shell commands in a network namespace of their own, where they
// can harm nobody's firewall, and returns what they print. The first that fails
// fails the test.
func inNamespace(t *testing.T, dir, script string) string {
	t.Helper()
	args := []string{"--net"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	unshare := dnstest.Peer(t, "unshare", "util-linux")
	cmd := exec.Command(unshare, append(args, "sh", "-e", "-c", script)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nof\n%s", err, out, script)
	}
	return string(out)
}

// firewallFiles writes a file of each set in a format: 1, 2 and so on.
func firewallFiles(t *testing.T, format string, sets ...*intel.Set) string {
	t.Helper()
	dir := t.TempDir()
	for n, set := range sets {
		if _, _, err := File(filepath.Join(dir, fmt.Sprint(n+1)), set, Options{Format: format, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// firewallSets are three versions: much that overlaps and touches, a change, and
// nothing.
func firewallSets(t *testing.T) []*intel.Set {
	t.Helper()
	first := []intel.Indicator{
		network("192.0.2.7/32"), network("198.51.100.0/24"), network("198.51.100.9/32"), network("198.51.0.0/16"),
		network("255.255.255.255/32"), network("128.0.0.0/8"), network("2001:db8::/32"), network("2001:db8::1/128"), network("2001:db9::1/128"),
		network("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), network("::ffff:203.0.113.5/128"),
	}
	// Neighbours in runs, as lists have them; no more, because without root nft may
	// not widen the socket that a large set needs.
	for n := range 2000 {
		ip := netip.AddrFrom4([4]byte{100, byte(n >> 10), byte(n >> 2), byte(n<<6) | byte(n%7)})
		first = append(first, network(ip.String()+"/32"))
	}
	second := []intel.Indicator{network("192.0.2.8/32"), network("198.51.100.9/32"), network("2001:db9::1/128"), network("203.0.113.0/24")}
	return []*intel.Set{
		intel.NewSet(block(t, "f", first...)),
		intel.NewSetExcept(intel.NewAllow(allowed("203.0.113.64/26")), block(t, "f", second...)),
		intel.NewSet(),
	}
}

// versions says which addresses each version of firewallSets holds.
var versions = []struct{ in, out []string }{
	{
		[]string{"192.0.2.7", "198.51.100.9", "198.51.100.255", "198.51.3.4", "128.255.255.255", "255.255.255.255", "203.0.113.5", "100.0.0.0",
			"2001:db8:ffff::1", "2001:db8::1", "2001:db9::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		[]string{"192.0.2.6", "192.0.2.8", "198.52.0.0", "129.0.0.0", "203.0.113.4", "2001:db9::2", "2001:dba::"},
	}, {
		[]string{"192.0.2.8", "198.51.100.9", "203.0.113.63", "203.0.113.128", "2001:db9::1"},
		[]string{"192.0.2.7", "198.51.100.8", "203.0.113.64", "203.0.113.127", "128.0.0.1", "100.0.0.0", "2001:db8::1", "255.255.255.255"},
	}, {
		nil, []string{"192.0.2.8", "198.51.100.9", "203.0.113.63", "2001:db9::1"},
	},
}

// inventory is a script that prints of each address whether the set holds it, by
// a command with the place of the family and of the address in it.
func inventory(command string, addresses []string) string {
	var script strings.Builder
	for _, a := range addresses {
		family := 4
		if strings.Contains(a, ":") {
			family = 6
		}
		fmt.Fprintf(&script, "if %s >/dev/null 2>&1; then echo in %s; else echo out %s; fi\n", fmt.Sprintf(command, family, a), a, a)
	}
	return script.String()
}

// checkVersions loads one version after the other and compares what the kernel
// then holds.
func checkVersions(t *testing.T, dir, load, ask, after string) {
	t.Helper()
	var script strings.Builder
	var want []string
	for n, v := range versions {
		fmt.Fprintf(&script, load+"\n", n+1)
		script.WriteString(inventory(ask, slices.Concat(v.in, v.out)))
		for _, a := range v.in {
			want = append(want, "in "+a)
		}
		for _, a := range v.out {
			want = append(want, "out "+a)
		}
	}
	got := strings.Split(strings.TrimSpace(inNamespace(t, dir, script.String()+after)), "\n")
	for n := range min(len(got), len(want)) {
		if got[n] != want[n] {
			t.Errorf("%s, want %s (answer %d)", got[n], want[n], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d answers, want %d: %q", len(got), len(want), got)
	}
}

func TestNftLoads(t *testing.T) {
	t.Parallel()
	dnstest.Peer(t, "nft", "nftables")
	dir := firewallFiles(t, "nftables", firewallSets(t)...)
	// A rule that names the sets, as an administrator has added it, is to stay.
	chain := `add table inet flowhound
add set inet flowhound bad4 { type ipv4_addr; }
add set inet flowhound bad4_nets { type ipv4_addr; flags interval; auto-merge; }
add chain inet flowhound out { type filter hook output priority 0; }
add rule inet flowhound out ip daddr @bad4 counter drop
add rule inet flowhound out ip daddr @bad4_nets counter drop
`
	if err := os.WriteFile(filepath.Join(dir, "rules.nft"), []byte(chain), 0o644); err != nil {
		t.Fatal(err)
	}
	checkVersions(t, dir, "nft -f rules.nft; nft -c -f %[1]d; nft -f %[1]d; nft -f %[1]d",
		"( nft get element inet flowhound bad%[1]d '{ %[2]s }' || nft get element inet flowhound bad%[1]d_nets '{ %[2]s }' )",
		`test "$(nft list chain inet flowhound out | grep -c 'ip daddr @bad4')" = 6`)
}

func TestIPSetLoads(t *testing.T) {
	t.Parallel()
	dnstest.Peer(t, "ipset", "ipset")
	dir := firewallFiles(t, "ipset", firewallSets(t)...)
	// A restore that was interrupted left its half behind.
	left := "ipset -exist create flowhound4_new hash:net maxelem 16777216; ipset -exist add flowhound4_new 192.0.2.6; "
	checkVersions(t, dir, left+"ipset restore <%[1]d; ipset restore <%[1]d", "ipset test flowhound%d %s",
		`test "$(ipset list -n | sort | xargs)" = "flowhound4 flowhound6"`)
}

package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// sign signs what a release holds, as .ci/release does, and puts the key's public part into it.
func sign(t *testing.T, dir string) {
	t.Helper()
	minisign := peer.Path(t, "minisign", "minisign")
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", `
		"$MINISIGN" -G -W -f -p integrations/packages/release.pub -s "$KEY" >/dev/null
		rm -f SHA256SUMS SHA256SUMS.minisig
		find . -type f -print0 | sort -z | xargs -0 sha256sum >"$KEY.sums"
		mv "$KEY.sums" SHA256SUMS
		"$MINISIGN" -S -W -s "$KEY" -m SHA256SUMS >/dev/null`)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MINISIGN="+minisign, "KEY="+filepath.Join(t.TempDir(), "key"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestSignedRelease: what was changed after it was signed, or signed by another than
// signed what is installed, is not installed.
func TestSignedRelease(t *testing.T) {
	t.Parallel()
	dir, root := release(t), t.TempDir()
	install := func() (string, error) { return script(t, dir, "--destdir", root, "--no-ossec") }
	sign(t, dir)
	if out, err := install(); err != nil || !strings.Contains(out, "checked the signature of the release with ") {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := install(); err != nil || !strings.Contains(out, root+"/usr/local/lib/flowhound/release.pub") {
		t.Errorf("the key of what is installed does not count: %v\n%s", err, out)
	}
	minisig := filepath.Join(dir, "SHA256SUMS.minisig")
	if err := os.Rename(minisig, filepath.Join(root, "minisig")); err != nil {
		t.Fatal(err)
	}
	if out, err := install(); err != nil || !strings.Contains(out, "has no signature, and what is installed had one") {
		t.Errorf("without a signature after one with it: %v\n%s", err, out)
	}
	if out, err := install(); err != nil || strings.Contains(out, "signature") {
		t.Errorf("without a signature once more: %v\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(root, "minisig"), minisig); err != nil {
		t.Fatal(err)
	}
	rejects := func(what, words string) {
		t.Helper()
		if out, err := install(); err == nil || !strings.Contains(out, words) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
	output := filepath.Join(dir, "bin/flowhound-output-syslog")
	was := read(t, output)
	write(t, output, "something else")
	rejects("a changed program", "differ from those that were signed")
	write(t, output, was)
	write(t, filepath.Join(dir, "man/flowhound-more.8"), "not signed")
	rejects("a file more", "files that were not signed")
	if err := os.Remove(filepath.Join(dir, "man/flowhound-more.8")); err != nil {
		t.Fatal(err)
	}
	if out, err := install(); err != nil {
		t.Errorf("as it was: %v\n%s", err, out)
	}
	sign(t, dir)
	rejects("another key", "is not signed with the key in "+root)
}

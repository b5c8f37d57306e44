package integrations_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// blob is how the parts of an OCI image name each other.
type blob struct {
	MediaType, Digest string
	Size              int64
	Platform          struct{ Architecture, Variant string }
}

// untar returns the files of an archive, and the owners of all that is in it.
func untar(t *testing.T, r io.Reader) (files map[string][]byte, owners map[string]int) {
	t.Helper()
	files, owners = map[string][]byte{}, map[string]int{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, owners
		}
		if err != nil {
			t.Fatal(err)
		}
		owners[strings.TrimSuffix(h.Name, "/")] = h.Uid
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(in); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// image makes an image of two kinds of machine of small programs.
func image(t *testing.T, name string) (path string) {
	t.Helper()
	python := peer.Path(t, "python3", "python3")
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "armv7"} {
		if err := os.Mkdir(filepath.Join(dir, arch), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, program := range []string{"flowhound", "flowhound-output-syslog"} {
			if err := os.WriteFile(filepath.Join(dir, arch, program), []byte(program+" of "+arch), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	path = filepath.Join(dir, name)
	if out, err := exec.CommandContext(t.Context(), python, "../.ci/image", path, "1.2.0", "2026-11-28T12:00:00Z", "amd64="+dir+"/amd64", "armv7="+dir+"/armv7").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestImage follows the image of a release from its index to the files in it: each part
// is what the one above says, and the same programs give the same bytes.
func TestImage(t *testing.T) {
	t.Parallel()
	path := image(t, "a.oci.tar")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(image(t, "b.oci.tar"))
	if err != nil || !bytes.Equal(content, again) {
		t.Errorf("the same programs give other bytes: %v", err)
	}
	files, _ := untar(t, bytes.NewReader(content))
	if string(files["oci-layout"]) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("%s", files["oci-layout"])
	}
	part := func(b blob, into any) []byte {
		t.Helper()
		name, _ := strings.CutPrefix(b.Digest, "sha256:")
		c := files["blobs/sha256/"+name]
		if int64(len(c)) != b.Size || fmt.Sprintf("%x", sha256.Sum256(c)) != name {
			t.Fatalf("%s: %d bytes, its digest or size is wrong", b.Digest, len(c))
		}
		if into != nil {
			if err := json.Unmarshal(c, into); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	var top, index struct{ Manifests []blob }
	if err := json.Unmarshal(files["index.json"], &top); err != nil || len(top.Manifests) != 1 {
		t.Fatal(err, len(top.Manifests))
	}
	if !bytes.Contains(files["index.json"], []byte(`"io.containerd.image.name": "localhost/flowhound:1.2.0"`)) {
		t.Errorf("engines would name it by its version: %s", files["index.json"])
	}
	part(top.Manifests[0], &index)
	var machines []string
	for _, m := range index.Manifests {
		machines = append(machines, m.Platform.Architecture+m.Platform.Variant)
		var manifest struct {
			Config blob
			Layers []blob
		}
		var config struct {
			Architecture, Variant string
			Config                struct {
				User            string
				Entrypoint, Cmd []string
				ExposedPorts    map[string]any
			}
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		part(m, &manifest)
		part(manifest.Config, &config)
		if c := config.Config; c.User != "65532:65532" || strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/usr/bin/flowhound run" || c.ExposedPorts["2055/udp"] == nil ||
			config.Architecture != m.Platform.Architecture || config.Variant != m.Platform.Variant {
			t.Errorf("%+v", config)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(part(manifest.Layers[0], nil)))
		if err != nil {
			t.Fatal(err)
		}
		layer, err := io.ReadAll(unpacked)
		if err != nil || len(manifest.Layers) != 1 || config.RootFS.DiffIDs[0] != fmt.Sprintf("sha256:%x", sha256.Sum256(layer)) {
			t.Fatalf("%v: the layer is not that of the configuration", err)
		}
		tree, owners := untar(t, bytes.NewReader(layer))
		for name, want := range map[string]string{"usr/bin/flowhound": "flowhound of ", "usr/lib/flowhound/flowhound-output-syslog": "flowhound-output-syslog of ", "etc/passwd": "root:", "etc/flowhound/flowhound.yaml": "#"} {
			if !strings.HasPrefix(string(tree[name]), want) {
				t.Errorf("%s: %.40q", name, tree[name])
			}
		}
		for _, own := range []string{"var/lib/flowhound", "var/log/flowhound", "run/flowhound"} {
			if owners[own] != 65532 {
				t.Errorf("%s belongs to %d", own, owners[own])
			}
		}
	}
	if strings.Join(machines, " ") != "amd64 armv7" {
		t.Errorf("machines: %q", machines)
	}
	skopeo := peer.Path(t, "skopeo", "skopeo")
	if out, err := exec.CommandContext(t.Context(), skopeo, "copy", "--insecure-policy", "--all", "oci-archive:"+path, "dir:"+t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("skopeo does not take the image: %v\n%s", err, out)
	}
}

// TestContainerFiles: compose file and quadlet run the image as it wants to be run.
func TestContainerFiles(t *testing.T) {
	t.Parallel()
	var compose struct {
		Services map[string]struct {
			Image    string
			ReadOnly bool     `yaml:"read_only"`
			CapDrop  []string `yaml:"cap_drop"`
			Volumes  []string
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(read(t, "container/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	s := compose.Services["flowhound"]
	if s.Image != "flowhound:latest" || !s.ReadOnly || len(s.CapDrop) != 1 || len(s.Volumes) != 3 {
		t.Errorf("%+v", s)
	}
	docker := peer.Path(t, "docker-compose", "docker-compose")
	if out, err := exec.CommandContext(t.Context(), docker, "-f", "container/compose.yaml", "config", "-q").CombinedOutput(); err != nil {
		t.Errorf("docker-compose rejects the file: %v\n%s", err, out)
	}
	quadlet := read(t, "container/flowhound.container")
	for _, v := range s.Volumes {
		from, at, _ := strings.Cut(v, ":")
		at, _, _ = strings.Cut(at, ":")
		if !strings.Contains(quadlet, ":"+at) {
			t.Errorf("the quadlet does not mount %s", at)
		}
		if _, ok := compose.Volumes[from]; !ok && !strings.HasPrefix(from, "./") {
			t.Errorf("the volume %s is not declared", from)
		}
	}
	section := ""
	for line := range strings.Lines(quadlet) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case section == "" || !strings.Contains(line, "="):
			t.Errorf("%q is not a line of a unit", line)
		}
	}
}

// TestAnsibleRole: ansible-lint finds nothing in the role, by its strictest profile.
func TestAnsibleRole(t *testing.T) {
	t.Parallel()
	lint := peer.Path(t, "ansible-lint", "ansible-lint (pip install ansible-lint)")
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "roles/flowhound"), os.DirFS("ansible")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "site.yml"), []byte("---\n- name: Collectors\n  hosts: all\n  roles:\n    - role: flowhound\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), lint, "--offline", "--nocolor", "--profile", "production", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "ANSIBLE_HOME="+dir+"/.ansible", "PATH="+filepath.Dir(lint)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

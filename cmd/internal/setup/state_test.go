package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// daemon starts a process that stands in for a daemon of the engine, with the pid file
// that it writes.
func daemon(t *testing.T, home, name string, started time.Time) {
	t.Helper()
	bin := filepath.Join(home, "bin", name)
	write(t, bin, "#!/bin/sh\nread forever\n")
	cmd := exec.Command(bin)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(home, "var/run", fmt.Sprintf("%s-%d.pid", name, cmd.Process.Pid))
	write(t, pid, "")
	if err := os.Chtimes(pid, started, started); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		_ = os.Remove(pid)
	})
}

// An engine that was not restarted since its files were written is restarted, and
// doctor says so until then.
func TestRestartsWhatIsOlder(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: there is no /proc")
	}
	for what, names := range map[string][]string{
		"OSSEC manager": {"ossec-analysisd", "ossec-logcollector"}, "Wazuh agent": {"wazuh-logcollector"},
	} {
		t.Run(what, func(t *testing.T) {
			home := engine(t, what)
			o, said := options(t, home)
			control := filepath.Join(home, "bin", strings.ToLower(what[:5])+"-control")
			write(t, control, "#!/bin/sh\nVERSION=\"v4.2.0\"\n[ \"$1\" = restart ] && echo \"$1\" >>"+filepath.Join(home, "told")+"\nexit 0\n")
			told := func() string { b, _ := os.ReadFile(filepath.Join(home, "told")); return string(b) }
			write(t, filepath.Join(home, "var/run/.keep"), "")
			find := func() string {
				var l finding.List
				e, err := Find("/", home)
				if err != nil {
					t.Fatal(err)
				}
				e.examineState(&l)
				return fmt.Sprint(l)
			}
			// Not running: that is said, and a restart starts it.
			if err := Install(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			said.Reset()
			if err := Install(t.Context(), o); err != nil || !strings.Contains(said.String(), "does not run") || told() != "" {
				t.Errorf("%v, %s", err, said)
			}
			if got := find(); !strings.Contains(got, "bad") || !strings.Contains(got, "does not run") {
				t.Error(got)
			}
			// Started before its files were written.
			for _, n := range names {
				daemon(t, home, n, time.Now().Add(-time.Hour))
			}
			if got := find(); !strings.Contains(got, "until it is restarted") {
				t.Error(got)
			}
			said.Reset()
			o.Restart = true
			if err := Install(t.Context(), o); err != nil || !strings.Contains(said.String(), "has not loaded them") || told() != "restart\n" {
				t.Errorf("%v, %s; told %q", err, said, told())
			}
			// And after: nothing is left to do.
			files, _ := filepath.Glob(filepath.Join(home, "var/run/*.pid"))
			for _, f := range files {
				later := time.Now().Add(time.Minute)
				if err := os.Chtimes(f, later, later); err != nil {
					t.Fatal(err)
				}
			}
			said.Reset()
			if err := Install(t.Context(), o); err != nil || !strings.Contains(said.String(), "reads flowhound's lines already") || told() != "restart\n" {
				t.Errorf("%v, %s; told %q", err, said, told())
			}
			if got := find(); strings.Contains(got, "bad") || !strings.Contains(got, "has read its files") {
				t.Error(got)
			}
			// A log that goes missing is made again, and the engine must hear of it.
			if err := os.Remove(o.LogPath); err != nil {
				t.Fatal(err)
			}
			if err := Install(t.Context(), o); err != nil || told() != "restart\nrestart\n" {
				t.Errorf("%v; told %q", err, told())
			}
		})
	}
}

// Decoders that were pasted by hand are named with their lines, and nothing is written.
func TestPastedDecoders(t *testing.T) {
	const pasted = "<decoder name=\"flowhound\">\n  <program_name>^flowhound</program_name>\n</decoder>\n"
	for _, tt := range []struct{ what, file, content, want string }{
		{"OSSEC manager", "etc/local_decoder.xml", "<decoder name=\"mine\">\n</decoder>\n<!-- pasted\n -->\n" + pasted + "<decoder name=\"flowhound-hit\">\n</decoder>\n", "/etc/local_decoder.xml has decoder flowhound, pasted by hand, in lines 5 to 9"},
		{"Wazuh manager", "etc/decoders/local_decoder.xml", "\n" + pasted, "/etc/decoders/local_decoder.xml has decoder flowhound, pasted by hand, in lines 2 to 4"},
		{"Wazuh manager", "etc/decoders/other.xml", "<!-- " + pasted + " -->", ""},
		{"OSSEC manager", "etc/local_decoder.xml", "<decoder name='mine-flowhound'>\n</decoder>\n", ""},
		{"OSSEC agent", "etc/local_decoder.xml", pasted, ""},
	} {
		home := engine(t, tt.what)
		write(t, filepath.Join(home, tt.file), tt.content)
		before := picture(t, home)
		o, _ := options(t, home)
		err := Install(context.Background(), o)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s, %s: %v", tt.what, tt.file, err)
			}
			continue
		}
		if !errors.Is(err, ErrNotWired) || !strings.Contains(err.Error(), tt.want) || picture(t, home) != before {
			t.Errorf("%s, %s: %v", tt.what, tt.file, err)
		}
		if l := Examine(t.Context(), o, nil, home, true); !strings.Contains(fmt.Sprint(l), tt.want) {
			t.Error(l)
		}
		// Once wired, what stands between the marks is not taken for pasted.
		write(t, filepath.Join(home, tt.file), "")
		if err := Install(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := Install(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// server is a real one, run from jars of Maven Central: no authentication and no
// paid parts, but the bulk, mapping and search of what users run.
type server struct {
	t      *testing.T
	args   []string // of java
	url    string
	cmd    *exec.Cmd
	exited chan struct{}
	out    bytes.Buffer
}

// classpath returns the jars that testdata/<name>/pom.xml asks for, from the
// user's Maven repository. It downloads nothing.
func classpath(t *testing.T, name string) string {
	t.Helper()
	for program, pkg := range map[string]string{"mvn": "maven", "java": "openjdk-17-jre-headless", "javac": "openjdk-17-jdk-headless"} {
		peer.Path(t, program, pkg)
	}
	pom, to := filepath.Join("testdata", name, "pom.xml"), filepath.Join(t.TempDir(), "classpath")
	out, err := exec.Command("mvn", "-o", "-q", "-B", "-f", pom, "dependency:build-classpath", "-Dmdep.outputFile="+to).CombinedOutput()
	if err != nil {
		peer.Missing(t, "the jars of %s are not in the Maven repository: run mvn -q -B -f plugin/elasticsearch/%s dependency:build-classpath\n%.500s", name, pom, out)
	}
	jars, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(jars))
}

// small keeps a server to what the tests need.
var small = []string{"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}

// realElasticsearch compiles the two classes that start it without its distribution.
func realElasticsearch(t *testing.T) *server {
	jars, classes, home := classpath(t, "elasticsearch"), t.TempDir(), t.TempDir()
	sources, err := filepath.Glob("testdata/elasticsearch/*.java")
	if err != nil || len(sources) == 0 {
		t.Fatalf("%q, %v", sources, err)
	}
	if out, err := exec.Command("javac", append([]string{"-nowarn", "-d", classes, "-cp", jars}, sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(home, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	port := peer.FreePort(t, "tcp").Port
	return &server{
		t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port),
		args: append(small[:len(small):len(small)], "-cp", classes+":"+jars, "org.elasticsearch.node.TestNode", home, fmt.Sprint(port)),
	}
}

func realOpenSearch(t *testing.T) *server {
	jars, home := classpath(t, "opensearch"), t.TempDir()
	port := freePort(t, 9210, 9299) // the runner's own bounds
	return &server{
		t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port),
		args: append(small[:len(small):len(small)], "-cp", jars, "org.codelibs.opensearch.runner.OpenSearchRunner",
			"-basePath", home, "-numOfNode", "1", "-baseHttpPort", fmt.Sprint(port-1)),
	}
}

func freePort(t *testing.T, from, to int) int {
	for port := from; port < to; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatalf("no port is free from %d to %d", from, to)
	return 0
}

// start returns once the server answers; it ends with the test.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("java", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	dieWithTest(s.cmd)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.kill)
	s.exited = make(chan struct{})
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait()
	}()
	for range 3000 {
		if res, err := http.Get(s.url + "/_cluster/health"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-s.exited:
			s.t.Fatalf("the server has ended:\n%s", s.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
	s.kill()
	s.t.Fatalf("the server does not answer:\n%s", s.tail())
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// tail is the end of what the server printed, once it has ended.
func (s *server) tail() string {
	b := s.out.Bytes()
	return string(b[max(0, len(b)-4000):])
}

// ask sends a request to the server itself, beside the output.
func (s *server) ask(method, path, body string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s, %v\n%.2000s", method, path, res.Status, err, b)
	}
	return string(b)
}

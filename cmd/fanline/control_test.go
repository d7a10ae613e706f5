package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// holdData opens a data directory for a test.
func holdData(t *testing.T, path string) *dataDir {
	t.Helper()
	d, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() }) // some tests close it themselves
	return d
}

// serveControl answers /v1/hello on the directory's socket until the test ends.
func serveControl(t *testing.T, d *dataDir) net.Listener {
	t.Helper()
	listener, err := listenControl(d)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	server := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; err == nil {
			t.Error("Serve ended without a reason")
		}
	})
	return listener
}

func hello(t *testing.T, dir string) (string, error) {
	t.Helper()
	client, err := dialControl(t.Context(), dir)
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	answer, err := client.Get(controlURL + "/v1/hello")
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(answer.Body)
	return string(body), errors.Join(err, answer.Body.Close())
}

func TestControlAnswersOnAPrivateSocket(t *testing.T) {
	for name, dir := range map[string]string{
		"short path": shortTempDir(t),
		"long path":  filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath)),
	} {
		t.Run(name, func(t *testing.T) {
			d := holdData(t, dir)
			listener := serveControl(t, d)
			if got, err := hello(t, dir); got != "hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			path := listener.Addr().String()
			if len(path) > maxSocketPath {
				t.Errorf("socket path of %d octets", len(path))
			}
			for at, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
				info, err := os.Stat(at)
				if err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, %v, want %v", at, info.Mode(), err, want)
				}
			}
			if err := listener.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left behind", filepath.Dir(path))
			}
		})
	}
}

// shortTempDir is a directory whose sockets fit; t.TempDir has the test's name
// in it.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestDialSaysWhatToStartWhenNothingRuns(t *testing.T) {
	dir := shortTempDir(t)
	_, err := hello(t, dir)
	if !errors.Is(err, errNotRunning) || !strings.Contains(err.Error(), "fanline serve --config FILE") || !strings.Contains(err.Error(), "for the demo: fanline dev --data "+dir) {
		t.Errorf("got %v", err)
	}
}

func TestDialFindsASocketThatAKilledProcessLeftDead(t *testing.T) {
	dir := shortTempDir(t)
	leaveDeadSocket(t, dir)
	_, err := hello(t, dir)
	if !errors.Is(err, errNotRunning) || !strings.Contains(err.Error(), "any more") {
		t.Errorf("got %v", err)
	}
}

func TestANewProcessTakesOverWhatAKilledOneLeft(t *testing.T) {
	dir := shortTempDir(t)
	leaveDeadSocket(t, dir)
	serveControl(t, holdData(t, dir))
	if got, err := hello(t, dir); got != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// leaveDeadSocket leaves the files of a process that had no time to clean up.
func leaveDeadSocket(t *testing.T, dir string) {
	t.Helper()
	folder := filepath.Join(dir, "control")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(listener.Close(), os.WriteFile(filepath.Join(dir, addressFile), []byte(path), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestAForeignAddressFileRemovesNothing(t *testing.T) {
	dir, elsewhere := shortTempDir(t), shortTempDir(t)
	precious := filepath.Join(elsewhere, "socket")
	if err := errors.Join(
		os.WriteFile(precious, nil, 0o600),
		os.WriteFile(filepath.Join(dir, addressFile), []byte(precious), 0o600)); err != nil {
		t.Fatal(err)
	}
	serveControl(t, holdData(t, dir))
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestTwoProcessesNeverShareADataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := holdData(t, dir)
	if _, err := openDataDir(dir); err == nil || !strings.Contains(err.Error(), "in use by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := holdData(t, dir)
	info, err := os.Stat(second.path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v: want a directory closed to others", info, err)
	}
}

func TestAFileIsReplacedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"first, which is longer", "second"} {
		if err := writeAtomically(path, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	entries, _ := os.ReadDir(filepath.Dir(path))
	if string(got) != "second" || err != nil || len(entries) != 1 {
		t.Errorf("%q, %v, %d files", got, err, len(entries))
	}
}

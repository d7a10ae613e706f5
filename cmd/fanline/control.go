package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// maxSocketPath is what fits into sockaddr_un everywhere (104 octets on
	// macOS, 108 on Linux, each with its NUL).
	maxSocketPath = 100
	controlURL    = "http://fanline" // the host is never looked up; the socket is dialled
	addressFile   = "fanline.addr"
	socketPrefix  = "fanline-control-"
)

// listenControl opens the socket on which a process answers /v1 to its own user
// and writes its path to DATA/fanline.addr. The caller holds the directory, so
// a socket that an earlier process left is dead and is cleared away.
func listenControl(d *dataDir) (net.Listener, error) {
	clearSocket(d)
	// The folder is closed to others before the socket exists in it: no moment
	// passes in which its mode is still the umask's.
	folder := d.file("control")
	if len(filepath.Join(folder, "socket")) > maxSocketPath {
		var err error
		if folder, err = os.MkdirTemp("", socketPrefix); err != nil {
			return nil, err
		}
	} else if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	c := &controlListener{Listener: listener, folder: folder, address: d.file(addressFile)}
	if err := errors.Join(os.Chmod(path, 0o600), writeAtomically(c.address, path+"\n")); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// controlListener takes its files away when it closes.
type controlListener struct {
	net.Listener
	folder  string
	address string
}

func (c *controlListener) Close() error {
	err := c.Listener.Close()
	_ = os.Remove(c.address) // Absent when opening failed half-way; a stale one is found dead by dialControl.
	_ = os.Remove(c.folder)
	return err
}

// clearSocket removes what a killed process left. The address file is ours, but
// only a path of a shape that we make is removed on its word.
func clearSocket(d *dataDir) {
	path, err := readAddress(d.path)
	if err != nil {
		return
	}
	folder := filepath.Dir(path)
	ours := folder == d.file("control") || strings.HasPrefix(filepath.Base(folder), socketPrefix)
	if ours && filepath.Base(path) == "socket" {
		_ = os.Remove(path) // Best effort: net.Listen says what is in the way.
		if folder != d.file("control") {
			_ = os.Remove(folder)
		}
	}
	_ = os.Remove(d.file(addressFile))
}

func readAddress(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, addressFile))
	return strings.TrimSpace(string(raw)), err
}

// errNotRunning says that no process holds the data directory.
var errNotRunning = errors.New("no fanline is running")

// dialControl returns a client of the process that holds a data directory; its
// requests go to controlURL + "/v1/…". The error says what to start when
// nothing runs there.
func dialControl(ctx context.Context, dir string) (*http.Client, error) {
	path, err := readAddress(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w on %s; start one with: fanline serve --config FILE, or for the demo: fanline dev --data %s", errNotRunning, dir, dir)
	}
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, fmt.Errorf("%w on %s any more (%s does not answer: %w); start it again with the same --data", errNotRunning, dir, path, err)
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}, nil
}

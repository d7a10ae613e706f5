package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dataDir is a data directory that this process holds alone.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the directory where it is missing and locks it, so that two
// processes never share one. The lock is the kernel's: it ends with the
// process, however that ends.
func openDataDir(path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "fanline.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(lock); err != nil {
		closing := lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use%s", path, byProcess(path))
		}
		return nil, errors.Join(fmt.Errorf("locking %s: %w", lock.Name(), err), closing)
	}
	d := &dataDir{path: path, lock: lock}
	if err := writeAtomically(d.file("fanline.pid"), strconv.Itoa(os.Getpid())+"\n"); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// dying is how long a killed process may take to be gone with its lock, after
// whoever killed it has gone on.
const dying = 2 * time.Second

// flock takes the lock, waiting for a holder that is just ending.
func flock(f *os.File) error {
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Since(begun) > dying {
			return err
		}
	}
}

// file returns the path of a file in the directory.
func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// Close gives the directory to the next process.
func (d *dataDir) Close() error {
	err := os.Remove(d.file("fanline.pid"))
	return errors.Join(err, d.lock.Close())
}

// byProcess names the process that wrote DATA/fanline.pid, for error messages.
func byProcess(path string) string {
	raw, err := os.ReadFile(filepath.Join(path, "fanline.pid"))
	if err != nil {
		return ""
	}
	return " by process " + strings.TrimSpace(string(raw))
}

// writeAtomically replaces a small file whole, so that a reader never sees half
// of it.
func writeAtomically(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

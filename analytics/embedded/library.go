package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// libraryName is the file that npm's packages carry.
const libraryName = "libchdb.so"

// ErrNoLibrary is wrapped by the error of FindLibrary.
var ErrNoLibrary = errors.New("the embedded ClickHouse needs " + libraryName)

// FindLibrary returns the path of libchdb.so: the setting when it is not empty,
// else where `make chdb` puts it, below .fanline/chdb beside the executable,
// in the folder above that, or in the working directory. Its error says how to
// get the library.
func FindLibrary(setting string) (string, error) {
	if setting != "" {
		if err := isFile(setting); err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoLibrary, err)
		}
		return setting, nil
	}
	// Parents of the working directory are not searched: another user could
	// plant a library in one, and it would run with our rights.
	var roots []string
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			roots = append(roots, filepath.Dir(exe), filepath.Dir(filepath.Dir(exe)))
		}
	}
	if dir, err := os.Getwd(); err == nil {
		roots = append(roots, dir)
	}
	for _, root := range roots {
		path := LibraryBelow(root)
		if isFile(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w for %s/%s, and none is below .fanline/chdb in %v: run `make chdb` in the source folder"+
		" (npm install --prefix .fanline/chdb @chdb/%s@26.7.3-stable.1), set clickhouse.library to its path,"+
		" or name a server in clickhouse.addresses", ErrNoLibrary, runtime.GOOS, runtime.GOARCH, roots, npmPackage(runtime.GOOS, runtime.GOARCH))
}

// LibraryBelow is where `make chdb` puts the library of this platform in a
// folder; nobody has looked whether it is there.
func LibraryBelow(root string) string {
	return filepath.Join(root, ".fanline", "chdb", "node_modules", "@chdb", npmPackage(runtime.GOOS, runtime.GOARCH), libraryName)
}

// npmPackage is the package in npm's scope @chdb for a platform.
func npmPackage(system, architecture string) string {
	if architecture == "amd64" {
		architecture = "x64"
	}
	name := "lib-" + system + "-" + architecture
	if system == "linux" {
		name += "-gnu"
	}
	return name
}

func isFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	return nil
}

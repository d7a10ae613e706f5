package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// LibraryEnv names the environment variable that may hold the library's path.
const LibraryEnv = "FANLINE_CHDB"

// libraryName is the file that npm's @chdb/lib-linux-x64-gnu carries.
const libraryName = "libchdb.so"

// ErrNoLibrary is wrapped by the error of FindLibrary.
var ErrNoLibrary = errors.New("the embedded ClickHouse needs " + libraryName)

// FindLibrary returns the path of libchdb.so: the setting when it is not
// empty, else that of $FANLINE_CHDB, else the first one found below
// .fanline/chdb beside the working directory or the executable. Its error says
// how to get the library.
func FindLibrary(setting string) (string, error) {
	if setting == "" {
		setting = os.Getenv(LibraryEnv)
	}
	if setting != "" {
		if err := isFile(setting); err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoLibrary, err)
		}
		return filepath.Abs(setting)
	}
	// Parents of the working directory are not searched: another user could
	// plant a library in one, and it would run with our rights.
	var roots []string
	if dir, err := os.Getwd(); err == nil {
		roots = append(roots, dir)
	}
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			roots = append(roots, filepath.Dir(exe), filepath.Dir(filepath.Dir(exe)))
		}
	}
	for _, root := range roots {
		if path := searchLibrary(filepath.Join(root, ".fanline", "chdb")); path != "" {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w for %s/%s, and none is below .fanline/chdb in %v: run `make chdb` in the source folder"+
		" (npm install --prefix .fanline/chdb @chdb/lib-linux-x64-gnu@26.7.3-stable.1), set %s to its path,"+
		" or name a ClickHouse server under clickhouse.addresses", ErrNoLibrary, runtime.GOOS, runtime.GOARCH, roots, LibraryEnv)
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

// searchLibrary returns the first library below dir, in lexical order.
func searchLibrary(dir string) string {
	var found string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // An unreadable folder holds nothing for us.
		}
		if d.Name() == libraryName && d.Type().IsRegular() {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found
}

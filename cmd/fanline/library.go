package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// findLibrary returns the libchdb to load the embedded ClickHouse from: the
// configured one, or the one that `make` installed beside the program or under
// the working directory.
func findLibrary(configured string) (string, error) {
	if configured != "" {
		if _, err := os.Stat(configured); err != nil {
			return "", fmt.Errorf("clickhouse.library: %w", err)
		}
		return configured, nil
	}
	var roots []string
	if executable, err := os.Executable(); err == nil {
		roots = append(roots, filepath.Dir(executable), filepath.Dir(filepath.Dir(executable)))
	}
	if working, err := os.Getwd(); err == nil {
		roots = append(roots, working)
	}
	name := libraryName(runtime.GOOS, runtime.GOARCH)
	for _, root := range roots {
		path := filepath.Join(root, ".fanline", "chdb", "node_modules", "@chdb", name, "libchdb.so")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no libchdb found under .fanline/chdb in %s; run `make chdb` where Fanline was built, "+
		"set clickhouse.library to the file, or name a server in clickhouse.addresses", strings.Join(roots, ", "))
}

// libraryName is the npm package for a platform, as the Makefile installs it.
func libraryName(system, architecture string) string {
	cpu := map[string]string{"amd64": "x64"}[architecture]
	if cpu == "" {
		cpu = architecture
	}
	name := "lib-" + system + "-" + cpu
	if system == "linux" {
		name += "-gnu"
	}
	return name
}

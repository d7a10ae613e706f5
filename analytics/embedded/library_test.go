package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutTheLibraryTheErrorSaysHowToGetIt(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := FindLibrary("")
	if !errors.Is(err, ErrNoLibrary) {
		t.Errorf("error %v", err)
	}
	for _, word := range []string{"make chdb", "npm install", "clickhouse.library", "clickhouse.addresses"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: no word of %s", err, word)
		}
	}
	if _, err = FindLibrary("nowhere/libchdb.so"); !errors.Is(err, ErrNoLibrary) {
		t.Errorf("error of a wrong setting: %v", err)
	}
	if _, err = FindLibrary("."); !errors.Is(err, ErrNoLibrary) {
		t.Errorf("error of a folder: %v", err)
	}
}

func TestTheLibraryIsFoundBelowTheWorkingDirectoryButInNoParentOfIt(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	want := LibraryBelow(dir)
	for _, made := range []string{filepath.Dir(want), below} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if got, err := FindLibrary(""); err != nil || got != want {
		t.Errorf("found %q, %v, want %q", got, err, want)
	}
	t.Chdir(below)
	if got, err := FindLibrary(""); err == nil {
		t.Errorf("found %q", got)
	}
}

func TestEveryPlatformHasAPackageAsTheMakefileInstallsIt(t *testing.T) {
	for platform, want := range map[[2]string]string{
		{"linux", "amd64"}: "lib-linux-x64-gnu", {"linux", "arm64"}: "lib-linux-arm64-gnu",
		{"darwin", "amd64"}: "lib-darwin-x64", {"darwin", "arm64"}: "lib-darwin-arm64",
	} {
		if got := npmPackage(platform[0], platform[1]); got != want {
			t.Errorf("%v: %s, want %s", platform, got, want)
		}
	}
}

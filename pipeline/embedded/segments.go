package embedded

import (
	"cmp"
	"errors"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// directoryName is kfake's name for a partition's directory.
func directoryName(topic string, partition int32) string {
	return url.PathEscape(topic) + "-" + strconv.Itoa(int(partition))
}

// parseDirectory reads what directoryName writes. Our topics' names need no
// escaping, so none is undone.
func parseDirectory(name string) (topic string, partition int32, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(name[i+1:], 10, 32)
	return name[:i], int32(n), err == nil
}

func segmentName(base int64) string { return strconv.FormatInt(base, 10) + ".dat" }

// segments lists the first offsets of a partition's segments, ascending. The
// names carry no padding, so they are sorted as numbers. Empty files are left
// out: kfake leaves one behind when the disk is full.
func segments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".dat")
		if !ok {
			continue
		}
		base, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			continue
		}
		if info, err := e.Info(); err != nil || info.Size() == 0 {
			continue
		}
		bases = append(bases, base)
	}
	slices.SortFunc(bases, cmp.Compare[int64])
	return bases, nil
}

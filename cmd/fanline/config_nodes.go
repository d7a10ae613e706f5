package main

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// pairsOf returns a mapping's keys and values; nothing written is an empty one.
func pairsOf(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	case *ast.NullNode:
		return nil, true
	}
	return nil, false
}

// scalarText returns what the user typed, so that an unquoted +1773… or 007
// stays text where text is expected.
func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kindOf names a node in the words of an error.
func kindOf(node ast.Node) string {
	switch node.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "keys"
	case ast.SequenceType:
		return "a list"
	case ast.NullType:
		return "nothing"
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType:
		return "an anchor, alias or tag, which are not read here,"
	}
	return "a single value"
}

// wanted names what a field takes.
func wanted(f field) string {
	switch f.Interface().(type) {
	case Secret:
		return "env:NAME or file:PATH"
	case time.Duration:
		return "a duration such as 30s or 4h"
	}
	switch f.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	}
	return "text"
}

// isMissingFile is true also where a file stands in the way of a directory;
// making the file will say so.
func isMissingFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// suggest names the nearest key, or all of them when none is near.
func suggest(name string, keys []string) string {
	best, distance := "", 3
	for _, key := range keys {
		if d := editDistance(name, key); d < distance {
			best, distance = key, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	return "; expected one of " + strings.Join(keys, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

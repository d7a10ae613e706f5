package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	Place   string // file:line:column, or the environment variable
	Line    int    // 0 outside a file
	Column  int
	Key     string // numbers[0].limit_per_second
	Message string
}

// Error says where, which key, and what was expected.
func (p Problem) Error() string {
	if p.Key == "" {
		return p.Place + ": " + p.Message
	}
	return p.Place + ": " + p.Key + ": " + p.Message
}

// Problems is all that is wrong, in the order of the file.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// lookup finds a variable of the environment.
type lookup func(name string) (string, bool)

// configReader fills a struct from YAML, keeping where each key stood, so that
// what is found wrong later can still be shown with its line. It is stricter
// than a decoder: every unknown, repeated or mistyped key is reported, not only
// the first.
type configReader struct {
	name     string // of the file, as the user wrote it
	env      lookup
	names    []string // of the environment's variables
	places   map[string]Problem
	problems Problems
}

func newConfigReader(name string, environ []string) *configReader {
	variables := make(map[string]string, len(environ))
	r := &configReader{name: name, places: map[string]Problem{}}
	for _, pair := range environ {
		key, value, _ := strings.Cut(pair, "=")
		variables[key] = value
		r.names = append(r.names, key)
	}
	slices.Sort(r.names)
	r.env = func(key string) (string, bool) { v, ok := variables[key]; return v, ok }
	return r
}

// field is one settable place of a configuration struct.
type field struct {
	reflect.Value
	secret string // the tag: plain allows literals, made allows a file not there yet
}

func fieldOf(pointer any, secret string) field {
	return field{Value: reflect.ValueOf(pointer).Elem(), secret: secret}
}

// fields returns the struct's keys in order and their places.
func fields(v reflect.Value) (keys []string, byKey map[string]field) {
	byKey = map[string]field{}
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key := tag.Get("yaml")
		keys = append(keys, key)
		byKey[key] = field{Value: v.Field(i), secret: tag.Get("secret")}
	}
	return keys, byKey
}

// file reads one YAML document into the struct that into points to.
func (r *configReader) file(raw []byte, into any) {
	parsed, err := parser.ParseBytes(raw, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return
	}
	docs := slices.DeleteFunc(parsed.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch len(docs) {
	case 0:
	case 1:
		r.value("", docs[0].Body, docs[0].Body.GetToken(), fieldOf(into, ""))
	default:
		r.at("", docs[1].Body.GetToken(), "a second document: one is expected")
	}
}

func (r *configReader) syntax(err error) {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		r.at("", at.GetToken(), "not YAML: %s", at.GetMessage())
		return
	}
	r.problems = append(r.problems, Problem{Place: r.name, Message: "not YAML: " + err.Error()})
}

// at reports a problem at a token of the file.
func (r *configReader) at(path string, tok *token.Token, format string, args ...any) {
	p := r.place(tok)
	p.Key, p.Message = path, fmt.Sprintf(format, args...)
	r.problems = append(r.problems, p)
}

func (r *configReader) place(tok *token.Token) Problem {
	p := Problem{Place: r.name}
	if tok != nil && tok.Position != nil {
		p.Line, p.Column = tok.Position.Line, tok.Position.Column
		p.Place = fmt.Sprintf("%s:%d:%d", r.name, p.Line, p.Column)
	}
	return p
}

// problem reports what validation found, at the place where the key, or else
// what holds it, was set.
// A key that could not be read is not judged as well.
func (r *configReader) problem(path, format string, args ...any) {
	for _, p := range r.problems {
		if rest, under := strings.CutPrefix(path, p.Key); under && p.Key != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	p, found := r.places[path]
	for up := path; !found && up != ""; p, found = r.places[up] {
		up = up[:max(strings.LastIndexAny(up, ".["), 0)]
		if up == "" {
			break
		}
	}
	if p.Place == "" {
		p.Place = cmp.Or(r.name, "configuration")
	}
	p.Key, p.Message = path, fmt.Sprintf(format, args...)
	r.problems = append(r.problems, p)
}

// sorted returns the problems in the order of the file.
func (r *configReader) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.problems
}

// value reads a node into f. The token is that of the key: a mapping has no
// useful position of its own.
func (r *configReader) value(path string, node ast.Node, key *token.Token, f field) {
	_, isSecret := f.Interface().(Secret)
	switch {
	case f.Kind() == reflect.Struct && !isSecret:
		r.mapping(path, node, key, f)
	case f.Kind() == reflect.Slice:
		r.sequence(path, node, key, f)
	case f.Kind() == reflect.Map:
		r.texts(path, node, key, f)
	default:
		text, ok := scalarText(node)
		if !ok {
			r.at(path, key, "%s found, %s expected", kindOf(node), wanted(f))
			return
		}
		r.places[path] = r.place(node.GetToken())
		r.scalar(path, text, f)
	}
}

func (r *configReader) mapping(path string, node ast.Node, key *token.Token, f field) {
	pairs, ok := pairsOf(node)
	if !ok {
		r.at(path, key, "%s found, keys expected", kindOf(node))
		return
	}
	r.places[path] = r.place(key)
	keys, byKey := fields(f.Value)
	seen := map[string]int{}
	for _, pair := range pairs {
		tok := pair.Key.GetToken()
		name := tok.Value
		inner, known := byKey[name]
		switch {
		case !known:
			r.at(join(path, name), tok, "unknown key%s", suggest(name, keys))
		case seen[name] > 0:
			r.at(join(path, name), tok, "this key already stands on line %d", seen[name])
		default:
			seen[name] = tok.Position.Line
			r.places[join(path, name)] = r.place(tok)
			r.value(join(path, name), pair.Value, tok, inner)
		}
	}
}

func (r *configReader) sequence(path string, node ast.Node, key *token.Token, f field) {
	if node.Type() == ast.NullType {
		return
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		r.at(path, key, "%s found, a list expected", kindOf(node))
		return
	}
	f.Set(reflect.MakeSlice(f.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		at := item.GetToken()
		if pairs, ok := pairsOf(item); ok && len(pairs) > 0 {
			at = pairs[0].Key.GetToken()
		}
		v := f.Index(i)
		if d, ok := v.Addr().Interface().(interface{ setDefaults() }); ok {
			d.setDefaults()
		}
		r.value(fmt.Sprintf("%s[%d]", path, i), item, at, field{Value: v})
	}
}

// texts reads a mapping of the user's own keys to text.
func (r *configReader) texts(path string, node ast.Node, key *token.Token, f field) {
	pairs, ok := pairsOf(node)
	if !ok {
		r.at(path, key, "%s found, keys expected", kindOf(node))
		return
	}
	f.Set(reflect.MakeMap(f.Type()))
	for _, pair := range pairs {
		tok := pair.Key.GetToken()
		text, ok := scalarText(pair.Value)
		if !ok {
			r.at(join(path, tok.Value), tok, "%s found, text expected", kindOf(pair.Value))
			continue
		}
		r.places[join(path, tok.Value)] = r.place(tok)
		f.SetMapIndex(reflect.ValueOf(tok.Value), reflect.ValueOf(text))
	}
}

// scalar sets f from text, which came from the file or the environment.
func (r *configReader) scalar(path, text string, f field) {
	switch into := f.Addr().Interface().(type) {
	case *Secret:
		s, err := parseSecret(text, f.secret == "plain", r.env)
		if err != nil && f.secret == "made" && isMissingFile(err) {
			err = nil
		}
		if err != nil {
			r.problem(path, "%v", err)
		}
		*into = s
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			r.problem(path, "%q found, %s expected", text, wanted(f))
		}
		*into = d
	case *int:
		n, err := strconv.Atoi(text)
		if hex, isHex := strings.CutPrefix(text, "0x"); isHex {
			var u uint64
			u, err = strconv.ParseUint(hex, 16, 31)
			n = int(u)
		}
		if err != nil {
			r.problem(path, "%q found, %s expected", text, wanted(f))
		}
		*into = n
	case *bool:
		if text != "true" && text != "false" {
			r.problem(path, "%q found, %s expected", text, wanted(f))
		}
		*into = text == "true"
	case *string:
		*into = text
	default:
		r.problem(path, "cannot be set: no way to read a %s", f.Type())
	}
}

// environment applies FANLINE_SECTION_KEY to every key that is no list of
// sections. A misspelt key of a known section is refused; other names that
// begin with FANLINE_ may be an orchestrator's (FANLINE_SERVICE_HOST).
func (r *configReader) environment(into any) {
	known := map[string]bool{}
	sections := []string{}
	walkKeys("", fieldOf(into, ""), func(path string, f field) {
		name := "FANLINE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
		if section, _, nested := strings.Cut(path, "."); nested {
			sections = append(sections, "FANLINE_"+strings.ToUpper(section)+"_")
		}
		known[name] = true
		text, set := r.env(name)
		if !set {
			return
		}
		maps.DeleteFunc(r.places, func(at string, _ Problem) bool { return strings.HasPrefix(at, path+"[") })
		r.places[path] = Problem{Place: name}
		if f.Kind() != reflect.Slice {
			r.scalar(path, text, f)
			return
		}
		items := strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
		f.Set(reflect.ValueOf(items))
	})
	for _, name := range r.names {
		if !known[name] && slices.ContainsFunc(sections, func(s string) bool { return strings.HasPrefix(name, s) }) {
			r.problems = append(r.problems, Problem{Place: name, Message: "no such key in the configuration"})
		}
	}
}

// walkKeys visits the scalars and lists of scalars that have a path of their
// own.
func walkKeys(path string, f field, visit func(path string, f field)) {
	keys, byKey := fields(f.Value)
	for _, key := range keys {
		inner := byKey[key]
		_, isSecret := inner.Interface().(Secret)
		switch {
		case inner.Kind() == reflect.Struct && !isSecret:
			walkKeys(join(path, key), inner, visit)
		case inner.Kind() == reflect.Slice && inner.Type().Elem().Kind() == reflect.Struct:
		default:
			visit(join(path, key), inner)
		}
	}
}

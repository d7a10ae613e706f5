package smsc

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// scenarioText writes a scenario out as a file would hold it. What is nil is left out: a rule without statuses has those
// around it, one with none has none.
func scenarioText(s *Scenario) string {
	b, err := yaml.Marshal(written(reflect.ValueOf(*s)))
	if err != nil {
		return "# " + err.Error() + "\n" // Can't be: it is made of numbers and words.
	}
	return string(b)
}

// written turns a value into maps, lists, numbers and words, with the names that its fields have in YAML.
func written(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return written(v.Elem())
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = written(v.Index(i))
		}
		return out
	case reflect.Map:
		m := map[string]reflect.Value{}
		for _, k := range v.MapKeys() {
			m[k.String()] = v.MapIndex(k)
		}
		out := yaml.MapSlice{}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, yaml.MapItem{Key: k, Value: written(m[k])})
		}
		return out
	case reflect.Struct:
		return writtenFields(v)
	}
	if d, ok := v.Interface().(Duration); ok {
		return time.Duration(d).String()
	}
	return v.Interface()
}

func writtenFields(v reflect.Value) (out yaml.MapSlice) {
	for i := range v.NumField() {
		f := v.Field(i)
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch f.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if f.IsNil() {
				continue
			}
		}
		switch {
		case option == "inline":
			out = append(out, writtenFields(f)...)
		case name != "":
			out = append(out, yaml.MapItem{Key: name, Value: written(f)})
		}
	}
	return out
}

package host

import (
	"regexp"
	"strconv"
	"strings"
)

// Forms say in which Arrow type columns cross between a product and its own code, by column, where that is not the type
// of their kind: large_utf8, dictionary(i8), … (abi/SPEC.md §10). What is stored and what others see are not concerned.
type Forms map[string]string

// Form is a form taken apart.
type Form struct {
	Name string // without its parameters
	Size int    // fixed_size_binary, fixed_size_list
	Unit string // timestamp, time32, time64: s, ms, us, ns
	Zone string // timestamp
	Type string // dictionary: that of the indices, as Arrow calls it
}

var formText = regexp.MustCompile(`^([a-z0-9_]+)(?:\((\w+)\))?(?:\[(\w+)(?:, ?([A-Za-z0-9_+:/-]{1,64}))?\])?$`)

// integerForms are the integer types of Arrow, as forms and as SPEC abbreviates them for indices.
var integerForms = map[string]string{"i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64"}

// maxFormSize is how many bytes or elements a fixed size may be.
const maxFormSize = 1 << 16

// formsOf are the forms that columns of a kind may take, as people write them.
var formsOf = map[Kind]string{
	Int32: integerWords, Int64: integerWords, Decimal: integerWords + " (of decimals without a scale)",
	Float32: "float16, float32, float64", Float64: "float16, float32, float64",
	Date: "date64", Time: "time32[s], time32[ms], time64[ns]",
	Timestamp: "timestamp[s], timestamp[ms], timestamp[ns]", TimestampTZ: "timestamp[UNIT, ZONE] with a unit of s, ms, us or ns",
	String: "large_utf8, dictionary, dictionary(INDEX) with an index of i8 … u64",
	Binary: "large_binary, fixed_size_binary(n), dictionary, dictionary(INDEX) with an index of i8 … u64",
	List:   "large_list, fixed_size_list(n), map (of required objects of two columns, the first of them required)",
}

const integerWords = "int8, int16, int32, int64, uint8, uint16, uint32, uint64"

// ParseForm reads the form of a column of type t. The error is of code M and says which forms there are.
func ParseForm(t Type, s string) (Form, error) {
	m := formText.FindStringSubmatch(s)
	if m != nil {
		f := Form{Name: m[1], Unit: m[3], Zone: m[4]}
		if f.takes(t, m[2]) {
			return f, nil
		}
	}
	e := Errorf(CodeManifestColumn, "a column of type %s cannot cross as %q", t, s)
	if forms, ok := formsOf[t.Kind]; ok {
		return Form{}, e.WithHint("%s", "one of: "+forms)
	}
	return Form{}, e.WithHint("delete it: there is no other form")
}

// takes fills in the parameter and reports whether a column of type t may have the form.
func (f *Form) takes(t Type, parameter string) bool {
	bracket := f.Unit != ""
	switch {
	case f.Name == "dictionary" && !bracket && (t.Kind == String || t.Kind == Binary):
		if f.Type = "int32"; parameter != "" {
			f.Type = integerForms[parameter]
		}
		return f.Type != ""
	case f.Name == "fixed_size_binary" && !bracket && t.Kind == Binary, f.Name == "fixed_size_list" && !bracket && t.Kind == List:
		n, err := strconv.Atoi(parameter)
		f.Size = n
		return err == nil && n >= 1 && n <= maxFormSize
	case parameter != "":
		return false
	case bracket:
		return f.takesUnit(t)
	}
	switch t.Kind {
	case Int32, Int64:
		return strings.Contains(", "+integerWords+",", ", "+f.Name+",")
	case Decimal:
		return t.Scale == 0 && strings.Contains(", "+integerWords+",", ", "+f.Name+",")
	case Float32, Float64:
		return f.Name == "float16" || f.Name == "float32" || f.Name == "float64"
	case Date:
		return f.Name == "date64"
	case String:
		return f.Name == "large_utf8"
	case Binary:
		return f.Name == "large_binary"
	case List:
		return f.Name == "large_list" || f.Name == "map" && isMap(t)
	}
	return false
}

func (f *Form) takesUnit(t Type) bool {
	switch t.Kind {
	case Time:
		return f.Zone == "" && (f.Name == "time32" && (f.Unit == "s" || f.Unit == "ms") || f.Name == "time64" && f.Unit == "ns")
	case Timestamp, TimestampTZ:
		return f.Name == "timestamp" && (f.Zone != "") == (t.Kind == TimestampTZ) &&
			(f.Unit == "s" || f.Unit == "ms" || f.Unit == "us" || f.Unit == "ns")
	}
	return false
}

// isMap tells whether lists of type t can be maps: their elements are entries, there and with a key.
func isMap(t Type) bool {
	e := t.Elem
	return e != nil && e.Required && e.Type.Kind == Struct && len(e.Type.Fields) == 2 && e.Type.Fields[0].Required
}

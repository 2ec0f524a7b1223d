package file

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// Names of the options of a source. Two families take a column's name after the dot: OptionColumn and OptionTime.
const (
	OptionFormat    = "format"    // csv, ndjson or parquet; default: by the file's name
	OptionFiles     = "files"     // of a folder: a pattern that file names must match, e.g. *.csv
	OptionRecursive = "recursive" // of a folder: true reads its folders too; default false
	OptionQuiet     = "quiet"     // duration a file must rest before it counts as complete, e.g. 2s
	OptionDelimiter = "delimiter" // csv: one character, or tab; default comma, tab for .tsv
	OptionHeader    = "header"    // csv: false when the first row is data and columns go by position; default true
	OptionQuote     = "quote"     // csv: one character, or none; default "
	OptionComment   = "comment"   // csv: lines that begin with it are skipped; default none
	OptionNull      = "null"      // csv: unquoted words that mean null, comma separated, beside the empty field
	OptionTrim      = "trim"      // csv: true cuts blanks around text too; default false
	OptionStrict    = "strict"    // true refuses columns that the schema does not have; default false
	OptionColumn    = "column."   // column.NAME: what NAME is called in the file
	OptionTime      = "format."   // format.NAME: strftime pattern, or epoch_s, epoch_ms, epoch_us, epoch_ns
)

// Formats of files.
const (
	FormatCSV     = "csv"
	FormatNDJSON  = "ndjson"
	FormatParquet = "parquet"
)

// options are the settings of one source, parsed.
type options struct {
	format    string
	files     string
	recursive bool
	quiet     time.Duration
	delimiter byte // 0: by the file's name
	header    bool
	quote     byte // 0: none
	comment   byte // 0: none
	nulls     []string
	trim      bool
	strict    bool
	names     map[string]string // column → name in the file
	times     map[string]timeFormat
}

func badOption(format string, args ...any) error {
	return &drivers.Error{Kind: drivers.ErrRequest, Message: fmt.Sprintf(format, args...)}
}

// parseOptions reads options; schema, when it is not nil, must have the columns that they name.
func parseOptions(in map[string]string, quiet time.Duration, schema *arrow.Schema) (options, error) {
	o := options{quiet: quiet, header: true, quote: '"', names: map[string]string{}, times: map[string]timeFormat{}}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if err := o.set(key, in[key], schema); err != nil {
			return options{}, err
		}
	}
	return o, nil
}

func (o *options) set(key, value string, schema *arrow.Schema) error {
	if name, ok := strings.CutPrefix(key, OptionColumn); ok {
		o.names[name] = value
		return knownColumn(key, name, schema)
	}
	if name, ok := strings.CutPrefix(key, OptionTime); ok {
		f, err := parseTimeFormat(value)
		if err != nil {
			return badOption("option %s: %v", key, err)
		}
		o.times[name] = f
		return knownColumn(key, name, schema)
	}
	var err error
	switch key {
	case OptionFormat:
		switch o.format = strings.ToLower(value); o.format {
		case "jsonl":
			o.format = FormatNDJSON
		case FormatCSV, FormatNDJSON, FormatParquet:
		default:
			err = fmt.Errorf("%q is not csv, ndjson or parquet", value)
		}
	case OptionFiles:
		o.files = value
		_, err = path.Match(value, "")
	case OptionQuiet:
		if o.quiet, err = time.ParseDuration(value); err == nil && o.quiet < 0 {
			err = fmt.Errorf("%s is negative", value)
		}
	case OptionDelimiter:
		o.delimiter, err = oneByte(value)
	case OptionQuote:
		o.quote, err = oneByte(value)
	case OptionComment:
		o.comment, err = oneByte(value)
	case OptionNull:
		o.nulls = strings.Split(value, ",")
	case OptionHeader:
		o.header, err = strconv.ParseBool(value)
	case OptionRecursive:
		o.recursive, err = strconv.ParseBool(value)
	case OptionTrim:
		o.trim, err = strconv.ParseBool(value)
	case OptionStrict:
		o.strict, err = strconv.ParseBool(value)
	default:
		return badOption("there is no option %q; options are %s", key, strings.Join(optionNames, ", "))
	}
	if err != nil {
		return badOption("option %s: %v", key, err)
	}
	return nil
}

var optionNames = []string{OptionFormat, OptionFiles, OptionRecursive, OptionQuiet, OptionDelimiter, OptionHeader,
	OptionQuote, OptionComment, OptionNull, OptionTrim, OptionStrict, OptionColumn + "NAME", OptionTime + "NAME"}

func knownColumn(key, name string, schema *arrow.Schema) error {
	if schema == nil || len(schema.FieldIndices(name)) > 0 {
		return nil
	}
	return badOption("option %s: there is no column %q", key, name)
}

// oneByte reads a delimiter, quote or comment character. "none" is 0.
func oneByte(s string) (byte, error) {
	switch s {
	case "tab", `\t`:
		return '\t', nil
	case "none":
		return 0, nil
	case "space":
		return ' ', nil
	}
	if len(s) != 1 || s[0] >= utf8.RuneSelf || s[0] == '\n' || s[0] == '\r' || s[0] == 0 {
		return 0, fmt.Errorf("%q is not one ASCII character", s)
	}
	return s[0], nil
}

// check refuses characters that would mean two things.
func (o *options) check() error {
	d := o.delimiter
	if d == 0 {
		d = ','
	}
	if d == o.quote || d == o.comment || o.quote != 0 && o.quote == o.comment {
		return badOption("options delimiter, quote and comment must differ")
	}
	return nil
}

// fileFormat is how one file is read.
type fileFormat struct {
	kind      string // FormatCSV, …; "" when unknown
	gzip      bool
	delimiter byte
}

// formatOf says how a file is read: by the option, else by its name.
func (o *options) formatOf(name string) fileFormat {
	f := fileFormat{kind: o.format, delimiter: o.delimiter}
	base, gz := strings.CutSuffix(strings.ToLower(name), ".gz")
	f.gzip = gz
	ext := path.Ext(base)
	if f.kind == "" {
		switch ext {
		case ".csv", ".tsv":
			f.kind = FormatCSV
		case ".ndjson", ".jsonl":
			f.kind = FormatNDJSON
		case ".parquet":
			f.kind = FormatParquet
		}
	}
	if f.delimiter == 0 {
		f.delimiter = ','
		if ext == ".tsv" {
			f.delimiter = '\t'
		}
	}
	return f
}

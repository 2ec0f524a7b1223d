package adp

import "unsafe"

// Batch is a piece of an input: rows as columns. It is valid until the handler returns.
type Batch struct {
	product *Product
	port    *port
	n       int
	columns []Column
}

// Port is the name of the input, or of the binding that was read.
func (b *Batch) Port() string { return b.port.name }

// Len is the number of rows.
func (b *Batch) Len() int { return b.n }

// Columns are all columns in the contract's order; reserved columns come last.
func (b *Batch) Columns() []Column { return b.columns }

// Column is the named column. It panics, which fails the run, when there is none.
func (b *Batch) Column(name string) *Column {
	for i := range b.columns {
		if b.columns[i].field.Name == name {
			return &b.columns[i]
		}
	}
	panic("adp: " + b.port.String() + " has no column " + name + didYouMean(name, b.port.fields))
}

// Bools are the values of a bool column; like the methods below, it is short for Column(name).Bools().
func (b *Batch) Bools(name string) Bits { return b.Column(name).Bools() }

// Int32s are the values of an int32 column.
func (b *Batch) Int32s(name string) []int32 { return b.Column(name).Int32s() }

// Int64s are the values of an int64 column.
func (b *Batch) Int64s(name string) []int64 { return b.Column(name).Int64s() }

// Float32s are the values of a float32 column.
func (b *Batch) Float32s(name string) []float32 { return b.Column(name).Float32s() }

// Float64s are the values of a float64 column.
func (b *Batch) Float64s(name string) []float64 { return b.Column(name).Float64s() }

// Decimals are the unscaled values of a decimal column.
func (b *Batch) Decimals(name string) []Decimal { return b.Column(name).Decimals() }

// Dates are the values of a date column.
func (b *Batch) Dates(name string) []Date { return b.Column(name).Dates() }

// Times are the values of a time column.
func (b *Batch) Times(name string) []Time { return b.Column(name).Times() }

// Timestamps are the values of a timestamp or timestamptz column.
func (b *Batch) Timestamps(name string) []Timestamp { return b.Column(name).Timestamps() }

// Strings are the values of a string column.
func (b *Batch) Strings(name string) Strings { return b.Column(name).Strings() }

// Binaries are the values of a binary column.
func (b *Batch) Binaries(name string) Binaries { return b.Column(name).Binaries() }

// Lists are the values of a list column.
func (b *Batch) Lists(name string) Lists { return b.Column(name).Lists() }

// read sets b to the ArrowArray at addr, a struct of the port's columns.
func (b *Batch) read(m memory, addr uint32) {
	root := Column{field: &b.port.root, children: b.columns}
	root.read(m, &b.port.root, addr, 0, -1)
	b.n, b.columns = root.n, root.children
}

// port is an input, output or binding as the open block names it.
type port struct {
	what   string // "input", "output", "binding"
	index  uint32
	name   string
	mode   Mode
	fields []Field
	root   Field // the struct of the columns
}

func (p *port) String() string { return p.what + " " + p.name }

// readPorts reads one table of ports of the open block.
func readPorts(m memory, what string, n, table uint32) []*port {
	out := make([]*port, n)
	for i := range out {
		b := m.view(table+uint32(i)*portSize, portSize)
		p := &port{what: what, index: uint32(i), mode: Mode(u32(b, portMode))}
		p.name = string(m.view(u32(b, portName), u32(b, portNameLen)))
		p.root = readField(m, u32(b, portSchema))
		p.fields = p.root.Fields
		out[i] = p
	}
	return out
}

// readField reads an ArrowSchema. A form outside the type table gives Kind 0, which
// nothing accepts.
func readField(m memory, addr uint32) Field {
	b := m.view(addr, schemaSize)
	f := Field{Name: cString(m, u32(b, schemaName)), Nullable: i64(b, schemaFlags)&flagNullable != 0}
	format := cString(m, u32(b, schemaFormat))
	f.Kind = formats[format]
	if rest, ok := cut(format, "d:"); ok {
		f.Kind = KindDecimal
		f.Precision, f.Scale = twoNumbers(rest)
	}
	if u32(b, schemaDictionary) != 0 { // the format is that of the indices then
		f.Kind = 0
	}
	n := uint32(i64(b, schemaNChildren))
	children := m.view(u32(b, schemaChildren), n*4)
	for i := range int(n) {
		f.Fields = append(f.Fields, readField(m, u32(children, i*4)))
	}
	return f
}

// formats maps format strings of the Arrow C Data Interface to kinds.
var formats = map[string]Kind{"b": KindBool, "i": KindInt32, "l": KindInt64, "f": KindFloat32, "g": KindFloat64, "u": KindString,
	"z": KindBinary, "tdD": KindDate, "ttu": KindTime, "tsu:": KindTimestamp, "tsu:UTC": KindTimestampTZ, "+l": KindList, "+s": KindStruct}

func cString(m memory, addr uint32) string {
	if addr == 0 {
		return ""
	}
	var s []byte
	for {
		c := m.view(addr, 1)[0]
		if c == 0 {
			return string(s)
		}
		s = append(s, c)
		addr++
	}
}

func cut(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return s, false
	}
	return s[len(prefix):], true
}

// twoNumbers reads "12,2".
func twoNumbers(s string) (a, b int) {
	n := [2]int{}
	at := 0
	for i := 0; i < len(s); i++ {
		if s[i] == ',' && at == 0 {
			at = 1
			continue
		}
		n[at] = n[at]*10 + int(s[i]-'0')
	}
	return n[0], n[1]
}

// bytesOf is the memory of a slice.
func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

// didYouMean is a suggestion for a misspelt column, "" when nothing is near; then it lists what there is.
func didYouMean(name string, fields []Field) string {
	best, at := len(name)/3+2, -1
	for i := range fields {
		if d := distance(name, fields[i].Name); d < best {
			best, at = d, i
		}
	}
	if at >= 0 {
		return "; did you mean " + fields[at].Name + "?"
	}
	s := "; there are"
	for i := range fields {
		if i > 0 {
			s += ","
		}
		s += " " + fields[i].Name
	}
	return s
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

package abitest

import (
	"strings"

	"github.com/adp-host/adp/abi"
)

// The reference product "conform". Each SDK implements it, by this description:
//
//   - Input all: every row goes to the outputs columns, moved column by column, and rows, moved through the SDK's row
//     structs; both equal the input.
//   - Input lookup, a snapshot: a table that the command lookup asks.
//   - Input changes: insert and update_after upsert key and value into the output latest, delete removes the key,
//     update_before does nothing.
//   - Input commands: each row does what [Commands] says. An answer is a row of the output facts: the command's name and
//     a value.
//   - At flush: a row of facts for each text that the command keep was given, in order; then, if input came, one named
//     flush whose value is the number of rows of all inputs.
const (
	InputAll = iota
	InputLookup
	InputChanges
	InputCommands
)

// Commands of the reference product: name, what its argument is, and what it answers. Words are separated by single spaces; a
// missing value is answered by null.
//
//	ports                 the ports: "input all incremental; …; output facts append; …; binding sink write"
//	rebuild               true or false
//	config KEY            the setting
//	log LEVEL TEXT        logs at debug, info, warn or error; no answer
//	clock                 the clock's nanoseconds
//	random N              N bytes, hexadecimal
//	counter NAME VALUE    adds to a metric; no answer
//	gauge NAME VALUE      sets a metric; no answer
//	put KEY VALUE         state; no answer
//	get KEY               state, as text
//	delete KEY            state; no answer
//	scan PREFIX           state: "key=value;key=value", in order
//	add KEY N             a number in state (8 bytes, little endian): the sum
//	fill KEY N            state: N bytes of 'x'; answers the length read back
//	lookup KEY            the value in the table of input lookup
//	keep TEXT             is answered at flush
//	decide ACTION [RESOURCE [PURPOSE]]   "allow REASON" or "deny REASON"
//	read REQUEST          binding source: "k:name,k:name", null names empty
//	write K [NAME]        binding sink; no answer
//	upsert KEY [VALUE]    output latest; no answer
//	remove KEY            output latest; no answer
//	fail TEXT             the handler returns an error of that text
//	panic TEXT            the handler panics with that text
//
// Any other command fails the run.
var Commands = [...]string{"ports", "rebuild", "config", "log", "clock", "random", "counter", "gauge", "put", "get", "delete", "scan",
	"add", "fill", "lookup", "keep", "decide", "read", "write", "upsert", "remove", "fail", "panic"}

// AllFields are the columns of input all: every type of the type table, nullable and required.
func AllFields() []Field {
	n := func(name, format string, children ...Field) Field { return Field{name, format, true, children} }
	r := func(name, format string, children ...Field) Field { return Field{name, format, false, children} }
	return []Field{
		r("id", "l"),
		n("bool", "b"), n("int32", "i"), n("int64", "l"), n("float32", "f"), n("float64", "g"), n("decimal", "d:12,2"),
		n("date", "tdD"), n("time", "ttu"), n("timestamp", "tsu:"), n("timestamptz", "tsu:UTC"), n("string", "u"), n("binary", "z"),
		n("list", "+l", n("item", "l")),
		n("struct", "+s", n("x", "i"), n("name", "u"), n("tags", "+l", n("item", "u"))),
		n("nested", "+l", n("item", "+s", r("k", "u"), n("v", "g"))),
		r("required_bool", "b"), r("required_decimal", "d:38,10"), r("required_string", "u"), r("required_binary", "z"),
		r("required_list", "+l", r("item", "f")), r("required_struct", "+s", r("a", "l"), r("d", "tdD")),
	}
}

// ProductSpec is a run of the reference product without settings and state.
func ProductSpec() Spec {
	text := func(name string, null bool) Field { return Field{Name: name, Format: "u", Nullable: null} }
	number := func(name string, null bool) Field { return Field{Name: name, Format: "l", Nullable: null} }
	pair := []Field{number("k", false), text("name", true)}
	return Spec{
		RunID: "run-1",
		Start: start,
		Inputs: []Port{
			{"all", abi.ModeIncremental, AllFields()},
			{"lookup", abi.ModeSnapshot, []Field{text("key", false), number("value", true)}},
			{"changes", abi.ModeIncremental, []Field{text("key", false), number("value", true), text(abi.ColumnOp, false), number(abi.ColumnSeq, false)}},
			{"commands", abi.ModeIncremental, []Field{text("name", false), text("arg", true)}},
		},
		Outputs: []Port{
			{"columns", abi.ModeAppend, AllFields()},
			{"rows", abi.ModeAppend, AllFields()},
			{"latest", abi.ModeUpsert, []Field{text("key", false), number("value", true), text(abi.ColumnOp, true)}},
			{"facts", abi.ModeAppend, []Field{text("name", false), text("value", true)}},
		},
		Bindings: []Port{{"source", abi.ModeRead, pair}, {"sink", abi.ModeWrite, pair}},
	}
}

// ProductRows are rows that the reference product takes, by input, for inputs that do not take any: they have it call
// every import but the clock. ProductRun is a run that answers them.
func ProductRows() map[string][]Row {
	return map[string][]Row{
		"changes": {{"a", int64(1), abi.OpInsert, int64(7)}, {"b", nil, abi.OpInsert, int64(7)}, {"a", int64(1), abi.OpUpdateBefore, int64(8)},
			{"a", int64(2), abi.OpUpdateAfter, int64(8)}, {"b", nil, abi.OpDelete, int64(9)}},
		"commands": {command("ports"), command("rebuild"), command("config", "greeting"), command("config", "long"), command("config", "missing"),
			command("log", "info", "hello"), command("random", "8"), command("counter", "rows", "1"), command("gauge", "depth", "2"),
			command("put", "key", "value"), command("get", "key"), command("get", "old"), command("scan", "o"), command("delete", "old"), command("add", "n", "7"),
			command("fill", "big", "300000"), command("lookup", "key"), command("keep", "kept"), command("decide", "read", "adp://./a/b", "billing"),
			command("read", "all"), command("write", "5", "five"), command("upsert", "c", "5"), command("remove", "a")},
	}
}

// ProductRun is ProductSpec with settings, state and a source to read.
func ProductRun() Spec {
	s := ProductSpec()
	s.Config = map[string]string{"greeting": "hello", "long": strings.Repeat("long ", 2000)}
	s.State = map[string][]byte{"old": []byte(strings.Repeat("older ", 1000))}
	s.Read = func(string, []byte) ([][]Row, error) {
		return [][]Row{{{int64(1), "one"}, {int64(2), nil}}, {{int64(3), strings.Repeat("three ", 20_000)}}}, nil
	}
	return s
}

// Command conform is the reference product of abi/abitest: it does, over the SDK, everything that the ABI offers.
package main

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	adp "github.com/adp-host/adp/guest-sdk/go"
)

// All is a row of every type: input all, output rows.
type All struct {
	ID          int64
	Bool        *bool
	Int32       adp.Null[int32]
	Int64       *int64
	Float32     *float32
	Float64     adp.Null[float64]
	Decimal     *adp.Decimal
	Date        adp.Null[adp.Date]
	Time        *adp.Time
	Timestamp   *adp.Timestamp
	Timestamptz adp.Null[adp.Timestamp]
	String      *string
	Binary      []byte
	List        []*int64
	Struct      *Struct
	Nested      []*Nested

	RequiredBool    bool
	RequiredDecimal adp.Decimal
	RequiredString  string
	RequiredBinary  []byte
	RequiredList    []float32
	RequiredStruct  struct {
		A int64
		D adp.Date
	}
}

// Struct is a struct column.
type Struct struct {
	X    adp.Null[int32]
	Name *string
	Tags []adp.Null[string]
}

// Nested is an element of a list of structs.
type Nested struct {
	K string
	V *float64
}

// Lookup is a row of input lookup.
type Lookup struct {
	Key   string
	Value adp.Null[int64]
}

// Change is a row of input changes.
type Change struct {
	adp.Change
	Lookup
}

// Command is a row of input commands.
type Command struct {
	Name string
	Arg  *string
}

// Fact is a row of output facts.
type Fact struct {
	Name  string
	Value *string
}

// Pair is a row of the bindings.
type Pair struct {
	K    int64
	Name *string
}

func init() { adp.Register(product) }

func main() {}

// conform is one run.
type conform struct {
	p       *adp.Product
	facts   *adp.RowWriter[Fact]
	latest  *adp.RowWriter[Lookup]
	sink    *adp.RowWriter[Pair]
	lookup  map[string]adp.Null[int64]
	kept    []string
	rows    int
	columns *adp.Writer
}

func product(p *adp.Product) error {
	c := &conform{p: p, lookup: map[string]adp.Null[int64]{}}
	c.facts = adp.Output[Fact](p, "facts")
	c.latest = adp.Output[Lookup](p, "latest")
	c.sink = adp.Output[Pair](p, "sink")
	c.columns = p.Writer("columns")
	rows := adp.Output[All](p, "rows")

	p.OnBatch("all", c.copyColumns)
	adp.OnRow(p, "all", func(row *All) error {
		c.rows++
		rows.Emit(*row)
		return nil
	})
	adp.OnRow(p, "lookup", func(row *Lookup) error {
		c.rows++
		c.lookup[row.Key] = row.Value
		return nil
	})
	adp.OnRow(p, "changes", func(row *Change) error {
		c.rows++
		switch {
		case row.Op == adp.OpDelete:
			c.latest.Delete(row.Lookup)
		case row.Op.Adds():
			c.latest.Emit(row.Lookup)
		}
		return nil
	})
	adp.OnRow(p, "commands", func(row *Command) error {
		c.rows++
		arg := ""
		if row.Arg != nil {
			arg = *row.Arg
		}
		return c.do(row.Name, arg)
	})
	p.OnFlush(c.flush)
	return nil
}

// copyColumns moves the batch column by column.
func (c *conform) copyColumns(b *adp.Batch) error {
	out := c.columns.Columns()
	for j := range out {
		in := &b.Columns()[j]
		for i := range b.Len() {
			out[j].Copy(in, i)
		}
	}
	return nil
}

func (c *conform) flush() error {
	for _, k := range c.kept {
		c.answer("keep", k)
	}
	if c.rows > 0 {
		c.answer("flush", strconv.Itoa(c.rows))
	}
	return nil
}

func (c *conform) answer(name, value string) { c.facts.Emit(Fact{name, &value}) }

func (c *conform) answerOr(name, value string, ok bool) {
	if ok {
		c.answer(name, value)
	} else {
		c.facts.Emit(Fact{Name: name})
	}
}

// do carries out one command; abi/abitest lists them.
func (c *conform) do(name, arg string) error {
	first, rest, more := strings.Cut(arg, " ")
	switch name {
	case "ports":
		c.answer(name, c.ports())
	case "rebuild":
		c.answer(name, strconv.FormatBool(c.p.Rebuilding()))
	case "config":
		v, ok := c.p.Config(arg)
		c.answerOr(name, v, ok)
	case "log":
		return c.log(first, rest)
	case "clock":
		c.answer(name, strconv.FormatInt(c.p.Now().UnixNano(), 10))
	case "random":
		b := make([]byte, number(arg))
		if _, err := c.p.Random().Read(b); err != nil {
			return err
		}
		c.answer(name, hex.EncodeToString(b))
	case "counter", "gauge":
		v, err := strconv.ParseFloat(rest, 64)
		if name == "counter" {
			c.p.Count(first, v)
		} else {
			c.p.Gauge(first, v)
		}
		return err
	case "put", "get", "delete", "scan", "add", "fill":
		c.state(name, first, rest)
	case "lookup":
		v := c.lookup[arg]
		c.answerOr(name, strconv.FormatInt(v.V, 10), v.Valid)
	case "keep":
		c.kept = append(c.kept, arg)
	case "decide":
		resource, purpose, _ := strings.Cut(rest, " ")
		d := c.p.Decide(first, resource, purpose)
		word := "deny "
		if d.Allow {
			word = "allow "
		}
		c.answer(name, word+d.Reason)
	case "read":
		c.read(arg)
	case "write":
		row := Pair{K: int64(number(first))}
		if more {
			row.Name = &rest
		}
		c.sink.Emit(row)
	case "upsert":
		row := Lookup{Key: first}
		if more {
			row.Value = adp.Some(int64(number(rest)))
		}
		c.latest.Emit(row)
	case "remove":
		c.latest.Delete(Lookup{Key: first})
	case "fail":
		return errors.New(arg)
	case "panic":
		panic(arg)
	default:
		return errors.New("unknown command " + name)
	}
	return nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func (c *conform) log(level, message string) error {
	switch level {
	case "debug":
		c.p.Debug(message)
	case "info":
		c.p.Info(message)
	case "warn":
		c.p.Warn(message)
	case "error":
		c.p.Error(message)
	default:
		return errors.New("unknown level " + level)
	}
	return nil
}

func (c *conform) state(name, key, rest string) {
	s := c.p.State
	switch name {
	case "put":
		s.Put(key, []byte(rest))
	case "get":
		v, ok := s.Get(key)
		c.answerOr(name, string(v), ok)
	case "delete":
		s.Delete(key)
	case "scan":
		var all []string
		for k, v := range s.Scan(key) {
			all = append(all, k+"="+string(v))
		}
		c.answer(name, strings.Join(all, ";"))
	case "add":
		c.answer(name, strconv.FormatInt(s.Add(key, int64(number(rest))), 10))
	case "fill":
		s.Put(key, []byte(strings.Repeat("x", number(rest))))
		v, _ := s.Get(key)
		c.answer(name, strconv.Itoa(len(v)))
	}
}

func (c *conform) read(request string) {
	var all []string
	for row := range adp.Read[Pair](c.p, "source", []byte(request)) {
		s := strconv.FormatInt(row.K, 10) + ":"
		if row.Name != nil {
			s += *row.Name
		}
		all = append(all, s)
	}
	c.answer("read", strings.Join(all, ","))
}

func (c *conform) ports() string {
	var all []string
	for _, port := range c.p.Ports() {
		all = append(all, port.What+" "+port.Name+" "+port.Mode.String())
	}
	return strings.Join(all, "; ")
}

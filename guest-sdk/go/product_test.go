package adp_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/adptest"
)

type in struct {
	ID   int64
	Name *string
	Size adp.Null[float64]
}

type out struct {
	ID   int64
	Name string
}

var ports = []adptest.Option{
	adptest.Input[in]("in", adp.Incremental), adptest.Output[out]("out", adp.Append), adptest.Output[out]("keyed", adp.Upsert),
}

func ref[T any](v T) *T { return &v }

// failure runs a product over one batch and tells why it failed.
func failure(t *testing.T, product func(p *adp.Product) error, options ...adptest.Option) string {
	t.Helper()
	run := adptest.Try(t, product, append(ports, options...)...)
	if run.Failure() == "" {
		adptest.TryFeed(run, "in", in{ID: 1}, in{ID: 2, Name: ref("b")})
	}
	run.TryFlush()
	return run.Failure()
}

// TestMistakes: what authors get wrong fails the run with words that help.
func TestMistakes(t *testing.T) {
	ignore := func(p *adp.Product) { p.Ignore("in") }
	for want, product := range map[string]func(p *adp.Product) error{
		"the product declares no input inn; it has: in": func(p *adp.Product) error {
			adp.OnRow(p, "inn", func(*in) error { return nil })
			return nil
		},
		"the product declares no output result; it has: out, keyed": func(p *adp.Product) error {
			adp.Output[out](p, "result").Emit(out{})
			return nil
		},
		"the product declares no binding db; it has: none": func(p *adp.Product) error {
			ignore(p)
			for range p.Read("db", nil) {
			}
			return nil
		},
		"input in has no handler; if its rows do not matter say so with Ignore": func(p *adp.Product) error { return nil },
		"input in has no column nmae for struct { ID int64; Nmae string }; did you mean name?": func(p *adp.Product) error {
			adp.OnRow(p, "in", func(*struct {
				ID   int64
				Nmae string
			}) error {
				return nil
			})
			return nil
		},
		"input in: a int32 cannot hold int64 of column id; int64 can": func(p *adp.Product) error {
			adp.OnRow(p, "in", func(*struct{ ID int32 }) error { return nil })
			return nil
		},
		"int64 is not a struct of the columns of input in": func(p *adp.Product) error {
			adp.OnRow(p, "in", func(*int64) error { return nil })
			return nil
		},
		"two fields of struct { A int64 \"adp:\\\"id\\\"\"; B int64 \"adp:\\\"id\\\"\" } stand for column id": func(p *adp.Product) error {
			adp.OnRow(p, "in", func(*struct {
				A int64 `adp:"id"`
				B int64 `adp:"id"`
			}) error {
				return nil
			})
			return nil
		},
		"unknown option \"omitempty\" in its adp tag": func(p *adp.Product) error {
			adp.OnRow(p, "in", func(*struct {
				ID int64 `adp:"id,omitempty"`
			}) error {
				return nil
			})
			return nil
		},
		"column name is null in row 0 of the batch: make its field a *string or an adp.Null[string], or tag it `adp:\"name,zero\"`": func(p *adp.Product) error {
			adp.OnRow(p, "in", func(*struct{ Name string }) error { return nil })
			return nil
		},
		"struct { ID int64 } has no field for column name of output out": func(p *adp.Product) error {
			adp.Output[struct{ ID int64 }](p, "out")
			return nil
		},
		"process: panic: adp: column id is int64, not string": func(p *adp.Product) error {
			p.OnBatch("in", func(b *adp.Batch) error { b.Strings("id"); return nil })
			return nil
		},
		"process: panic: adp: input in has no column idd; did you mean id?": func(p *adp.Product) error {
			p.OnBatch("in", func(b *adp.Batch) error { b.Int64s("idd"); return nil })
			return nil
		},
		"process: panic: adp: column id is required: it takes no null": func(p *adp.Product) error {
			w := p.Writer("out")
			p.OnBatch("in", func(b *adp.Batch) error { w.Column("id").Null(); return nil })
			return nil
		},
		"output out got columns of different length: id 1, name 0": func(p *adp.Product) error {
			w := p.Writer("out")
			p.OnBatch("in", func(b *adp.Batch) error { return nil })
			p.OnFlush(func() error { w.Column("id").Int64(1); return nil })
			return nil
		},
		"output out is no upsert output: rows cannot be deleted from it": func(p *adp.Product) error {
			w := adp.Output[out](p, "out")
			adp.OnRow(p, "in", func(*in) error { w.Delete(out{}); return nil })
			return nil
		},
		"state put : bad argument": func(p *adp.Product) error { ignore(p); p.State.Put("", nil); return nil },
		"too large": func(p *adp.Product) error {
			ignore(p)
			p.State.Put(strings.Repeat("k", 2000), nil)
			return nil
		},
		"state text is not a number: it has 4 bytes": func(p *adp.Product) error {
			ignore(p)
			p.State.Put("text", []byte("four"))
			p.State.Add("text", 1)
			return nil
		},
		"first": func(p *adp.Product) error {
			ignore(p)
			p.Fail(errors.New("first"))
			p.Fail(errors.New("second"))
			return nil
		},
		"my own": func(p *adp.Product) error { return errors.New("my own") },
		"flush: panic: runtime error: index out of range [3] with length 0": func(p *adp.Product) error {
			ignore(p)
			p.OnFlush(func() error { var none []int; none[len(want3)]++; return nil })
			return nil
		},
	} {
		if got := failure(t, product); !strings.Contains(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

const want3 = "abc"

// TestColumns: columns in, columns out, across the size of a batch.
func TestColumns(t *testing.T) {
	const n = 20_000
	run := adptest.New(t, func(p *adp.Product) error {
		w := p.Writer("out")
		id, name := w.Column("id"), w.Column("name")
		p.OnBatch("in", func(b *adp.Batch) error {
			ids, names := b.Int64s("id"), b.Column("name")
			text := names.Strings()
			for i, v := range ids {
				if names.IsNull(i) {
					continue
				}
				id.Int64(v)
				name.String(text.At(i))
			}
			if b.Column("size").Nulls() != b.Len() {
				return errors.New("sizes appeared")
			}
			return nil
		})
		return nil
	}, ports...)
	rows := make([]in, n)
	var want []out
	for i := range rows {
		rows[i].ID = int64(i)
		if i%3 > 0 {
			rows[i].Name = ref(fmt.Sprint("name ", i))
			want = append(want, out{int64(i), *rows[i].Name})
		}
	}
	for from := 0; from < n; from += 5000 {
		adptest.Feed(run, "in", rows[from:from+5000]...)
	}
	early := len(adptest.Emitted[out](run, "out"))
	run.Flush()
	if got := adptest.Emitted[out](run, "out"); !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows came out, want %d", len(got), len(want))
	}
	if early == 0 || early == len(want) {
		t.Errorf("%d of %d rows left before flush", early, len(want))
	}
}

// TestUpsert: emits and deletes keep their order, by rows and by columns.
func TestUpsert(t *testing.T) {
	run := adptest.New(t, func(p *adp.Product) error {
		p.Ignore("in")
		w := adp.Output[out](p, "keyed")
		w.Emit(out{1, "a"})
		w.Delete(out{ID: 1})
		w.Emit(out{1, "b"})
		c := p.Writer("keyed")
		c.Column("id").Int64(2)
		c.Column("name").String("c")
		c.Column("id").Int64(3)
		c.Column("name").String("")
		c.Op().Null()
		c.Op().String(string(adp.OpDelete))
		w.Emit(out{4, "d"})
		return nil
	}, ports...)
	run.Flush()
	want := "[{upsert {1 a}} {delete {1 }} {upsert {1 b}} {upsert {2 c}} {delete {3 }} {upsert {4 d}}]"
	if got := fmt.Sprint(adptest.Changes[out](run, "keyed")); got != want {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// everything has a field of each kind, in each way a field can be.
type everything struct {
	A bool
	B *int32
	C int64
	D adp.Null[float32]
	E float64
	F *adp.Decimal
	G adp.Date
	H *adp.Time
	I adp.Null[adp.Timestamp]
	J string
	K []byte
	L []string
	M []*int64
	N struct {
		X int64
		Y *string
		Z []float64
	}
	O *struct{ P []struct{ Q adp.Null[bool] } }
	R int    `adp:"renamed"`
	S string `adp:",zero"`
	T string `adp:"-"`
}

// TestKinds: rows of every kind go through the layout unchanged.
func TestKinds(t *testing.T) {
	full := everything{A: true, B: ref(int32(-1)), C: 1 << 60, D: adp.Some(float32(1.5)), E: -2.5, F: ref(adp.DecimalOf(-7)), G: 3, H: ref(adp.Time(4)),
		I: adp.Some(adp.Timestamp(5)), J: "ü", K: []byte{}, L: []string{"a", ""}, M: []*int64{nil, ref(int64(6))}, R: 8, S: "z"}
	full.N.X, full.N.Y, full.N.Z = 9, ref("y"), []float64{}
	full.O = &struct{ P []struct{ Q adp.Null[bool] } }{P: []struct{ Q adp.Null[bool] }{{adp.Some(true)}, {}}}
	rows := []everything{full, {}, full, {K: []byte{1}, L: []string{}}}
	for range 9 {
		rows = append(rows, rows[:4]...)
	}
	run := adptest.New(t, func(p *adp.Product) error {
		w := adp.Output[everything](p, "b")
		var kept []everything
		p.OnBatch("a", func(b *adp.Batch) error {
			for row := range adp.Rows[everything](b) {
				kept = append(kept, *row)
			}
			return nil
		})
		p.OnFlush(func() error {
			for _, row := range kept {
				w.Emit(row)
			}
			return nil
		})
		return nil
	}, adptest.Input[everything]("a", adp.Incremental), adptest.Output[everything]("b", adp.Append))
	adptest.Feed(run, "a", rows...)
	adptest.Feed(run, "a", rows[:1]...)
	run.Flush()
	got := adptest.Emitted[everything](run, "b")
	if len(got) != len(rows)+1 {
		t.Fatalf("%d rows, want %d", len(got), len(rows)+1)
	}
	for i, row := range append(rows, rows[0]) {
		if !reflect.DeepEqual(got[i], row) {
			t.Fatalf("row %d is\n%+v, want\n%+v", i, got[i], row)
		}
	}
}

// TestRowsLeft: a loop over rows may be left early.
func TestRowsLeft(t *testing.T) {
	run := adptest.New(t, func(p *adp.Product) error {
		p.OnBatch("in", func(b *adp.Batch) error {
			for row := range adp.Rows[in](b) {
				p.Info("saw", row.ID)
				break
			}
			return nil
		})
		return nil
	}, ports...)
	adptest.Feed(run, "in", in{ID: 7}, in{ID: 8})
	run.Flush()
	if l := run.Logs(); len(l) != 1 || l[0].Message != "saw 7" {
		t.Errorf("logs %v", l)
	}
}

// TestHost: settings, clock, randomness, metrics, policy, drivers.
func TestHost(t *testing.T) {
	type pair struct {
		K int64
		V *string
	}
	asked := ""
	run := adptest.New(t, func(p *adp.Product) error {
		p.Ignore("in")
		p.Info(adp.Setting(p, "n", 1), adp.Setting(p, "f", 2.5), adp.Setting(p, "b", false), adp.Setting(p, "d", time.Second), adp.Setting(p, "none", "x"))
		if now := p.Now(); now.Year() != 2030 || p.Random().Uint64() == p.Random().Uint64() {
			return errors.New("clock or randomness")
		}
		p.Count("c", 1)
		p.Count("c", 2)
		p.Gauge("g", 5)
		p.Info(p.Decide("read", "adp://./a/b", "").Allow, p.Decide("write", "", "test").Reason)
		sink := adp.Output[pair](p, "sink")
		for row := range adp.Read[pair](p, "source", []byte("all")) {
			row.K *= 10
			sink.Emit(*row)
		}
		return nil
	}, append(ports, adptest.Config("n", "7"), adptest.Config("b", "true"), adptest.Config("d", "2m"), adptest.At(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)), adptest.Seed(3),
		adptest.Policy(func(q []byte) []byte {
			asked += string(q)
			return []byte(fmt.Sprintf(`{"allow":%v,"reason":"%d bytes"}`, strings.Contains(string(q), "read"), len(q)))
		}),
		adptest.SourceFunc("source", func(request string) ([]pair, error) { return []pair{{1, ref(request)}, {2, nil}}, nil }),
		adptest.Sink[pair]("sink"))...)
	run.Flush()
	if l := run.Logs(); l[0].Message != "7 2.5 true 2m0s x" || l[1].Message != "true 35 bytes" {
		t.Errorf("logs %v", l)
	}
	if asked != `{"action":"read","resource":"adp://./a/b"}{"action":"write","purpose":"test"}` {
		t.Errorf("asked %s", asked)
	}
	if run.Metric("c") != 3 || run.Metric("g") != 5 {
		t.Error("metrics")
	}
	if got := adptest.Emitted[pair](run, "sink"); !reflect.DeepEqual(got, []pair{{10, ref("all")}, {20, nil}}) {
		t.Errorf("sink got %v", got)
	}
}

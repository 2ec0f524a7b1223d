package adpjson_test

import (
	"strings"
	"testing"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/adpjson"
	"github.com/adp-host/adp/guest-sdk/go/adptest"
)

type total struct {
	Rows int     `json:"rows"`
	Sum  float64 `json:"sum"`
}

// TestValues: what one run puts the next one gets, in order, under its prefix only.
func TestValues(t *testing.T) {
	first := adptest.New(t, func(p *adp.Product) error {
		v := adpjson.Of[total](p, "total/")
		if _, ok := v.Get("a"); ok {
			t.Error("a value came from nowhere")
		}
		v.Put("b", total{2, 2.5})
		v.Put("a", total{1, 1.5})
		v.Put("gone", total{})
		v.Delete("gone")
		p.State.Put("other", []byte("{}"))
		return nil
	})
	first.Flush()
	if got := string(first.State()["total/a"]); got != `{"rows":1,"sum":1.5}` {
		t.Errorf("state is %s", got)
	}
	adptest.New(t, func(p *adp.Product) error {
		var keys []string
		for k, v := range adpjson.Of[total](p, "total/").All() {
			keys = append(keys, k)
			if v.Rows == 0 {
				t.Errorf("%s is %v", k, v)
			}
		}
		if strings.Join(keys, " ") != "a b" {
			t.Errorf("keys %v", keys)
		}
		return nil
	}, adptest.WithState(first.State())).Flush()
}

// TestBroken: state that is no such value fails the run, and says which.
func TestBroken(t *testing.T) {
	run := adptest.Try(t, func(p *adp.Product) error {
		adpjson.Of[total](p, "").Get("k")
		return nil
	}, adptest.WithState(map[string][]byte{"k": []byte("[]")}))
	if f := run.Failure(); !strings.Contains(f, "state k is not a adpjson_test.total") {
		t.Errorf("failure %q", f)
	}
	run = adptest.Try(t, func(p *adp.Product) error {
		adpjson.Of[func()](p, "").Put("k", nil)
		return nil
	})
	if f := run.Failure(); !strings.Contains(f, "state k: json: unsupported type") {
		t.Errorf("failure %q", f)
	}
}

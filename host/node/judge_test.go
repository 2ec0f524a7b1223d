package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/policy"
)

// saying is a function with one answer.
type saying struct {
	answer string
	err    error
	calls  int
}

func (s *saying) Call(context.Context, []byte) ([]byte, error) {
	s.calls++
	return []byte(s.answer), s.err
}

func (s *saying) Close() error { return nil }

// reading asks whether the owner may read a port.
func reading(domain, purpose string) policy.Request {
	id := host.ProductID{Tenant: host.LocalTenant, Domain: domain, Name: "orders"}
	return policy.Request{Subject: policy.Owner(host.LocalTenant), Action: policy.ActionRead, Resource: policy.Resource{Product: id, Port: "orders"}, Purpose: purpose}
}

// TestJudgeAnswers: what is no decision denies, says so, and is logged; what was decided once is remembered, and what failed for want of time is not.
func TestJudgeAnswers(t *testing.T) {
	for _, c := range []struct {
		answer     string
		err        error
		allow      bool
		reason     string
		remembered bool
	}{
		{`{"allow":true,"reason":"why not"}`, nil, true, "policy p.wasm: why not", true},
		{`{"allow":false,"reason":"no"}`, nil, false, "policy p.wasm: no", true},
		{``, nil, false, "policy p.wasm made no decision: its answer \"\" is no decision", true},
		{`{"allow":true}`, nil, false, "it lacks allow or reason", true},
		{`{"allow":false,"allow":true,"reason":"x"}`, nil, false, "twice", true},
		{`{"allow":true,"reason":"x","obligations":[]}`, nil, false, `member "obligations"`, true},
		{strings.Repeat("x", 1<<20), nil, false, "is no decision", true},
		{``, host.Errorf(host.CodeGuestTrap, "decide trapped: unreachable\n    at decide"), false, "decide trapped: unreachable", true},
		{``, host.Errorf(host.CodeGuestFuel, "used up"), false, "used up", true},
		{``, host.Errorf(host.CodeGuestDeadline, "ran past its deadline"), false, "ran past its deadline", false},
		{``, errors.New("context canceled"), false, "context canceled", false},
	} {
		var log bytes.Buffer
		f := &saying{answer: c.answer, err: c.err}
		j := &judge{name: "p.wasm", log: slog.New(slog.NewTextHandler(&log, nil)), function: f, now: map[string]policy.Decision{}}
		first, again := j.Judge(reading("a", "")), j.Judge(reading("a", ""))
		if first != again || first.Allow != c.allow || !strings.Contains(first.Reason, c.reason) || strings.Contains(first.Reason, "\n") || len(first.Reason) > 500 {
			t.Errorf("%.40s: %+v, then %+v", c.answer, first, again)
		}
		if c.remembered != (f.calls == 1) {
			t.Errorf("%.40s: called %d times", c.answer, f.calls)
		}
		if failed := strings.Contains(first.Reason, "no decision"); failed != strings.Contains(log.String(), "which denies") {
			t.Errorf("%.40s: logged %s", c.answer, &log)
		}
	}
}

// TestJudgeRemembers: so many decisions, and none for another question.
func TestJudgeRemembers(t *testing.T) {
	f := &saying{answer: `{"allow":true,"reason":"x"}`}
	j := &judge{name: "p.wasm", log: slog.New(slog.DiscardHandler), function: f, now: map[string]policy.Decision{}}
	for n := range 3 * keepDecisions {
		j.Judge(reading("a", fmt.Sprint(n)))
		j.Judge(reading("a", "asked all the time"))
	}
	if f.calls != 3*keepDecisions+1 || len(j.now)+len(j.before) > 2*keepDecisions {
		t.Errorf("%d calls, %d decisions", f.calls, len(j.now)+len(j.before))
	}
	if d := j.Judge(reading("a", strings.Repeat("x", maxQuestion))); d.Allow {
		t.Errorf("%+v", d)
	}
}

// decideModule is a module that exports decide with this code, and a memory.
func decideModule(code ...byte) []byte {
	body := append([]byte{0}, append(code, 0x0b)...)
	m := []byte("\x00asm\x01\x00\x00\x00" + "\x01\x05\x01\x60\x00\x01\x7f" + "\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" + "\x07\x13\x02\x06decide\x00\x00\x06memory\x02\x00")
	return append(append(m, 0x0a, byte(len(body)+2), 1, byte(len(body))), body...)
}

// TestNoPolicy: a node does not start with a module that is no policy, or that cannot answer one question.
func TestNoPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		module []byte
		says   string
	}{
		"no module":    {[]byte{}, "not a WebAssembly"},
		"no answer":    {decideModule(0x41, 0), `its answer "" is no decision`},
		"fails":        {decideModule(0x41, 7), "decide returned 7"},
		"traps":        {decideModule(0x00), "trapped"},
		"spins":        {decideModule(0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 0), "used up its fuel"},
		"recurses":     {decideModule(0x10, 0), "stack"},
		"greets only":  {buildtest.Plugin(t, "assemblyscript"), "export decide is missing"},
		"product's":    {buildtest.Guest(t, "rust", "conform"), "is no policy"},
		"a large body": {bytes.Repeat([]byte{0}, 20<<20), "is no policy"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Open(t.Context(), Config{Data: t.TempDir(), Policy: PolicyPlugin{Name: "p.wasm", Module: c.module}})
			if err == nil {
				_ = n.Close()
			}
			if host.CodeOf(err) != host.CodeNodeSetup || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "p.wasm is no policy") || !strings.Contains(host.HintOf(err), "decide") {
				t.Errorf("%v; %s", err, host.HintOf(err))
			}
		})
	}
}

// TestPolicies: the same policy by two PDKs decides the same, asked by many at once.
func TestPolicies(t *testing.T) {
	for _, language := range []string{"go", "rust"} {
		t.Run(language, func(t *testing.T) {
			cfg := Config{Data: t.TempDir(), Policy: PolicyPlugin{Name: "private.wasm", Module: buildtest.Plugin(t, language)}}
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			j, err := newJudge(t.Context(), &cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer j.close()
			p := policy.Local(policy.Options{Judge: j})
			done := make(chan string)
			for n := range 8 {
				go func() {
					wrong := ""
					for k := range 5 {
						purpose := fmt.Sprint("audit ", n, k)
						open, closed, said := p.Decide(reading("public", purpose)), p.Decide(reading("private", "")), p.Decide(reading("private", purpose))
						if !open.Allow || closed.Allow || !said.Allow || closed.Reason != "policy private.wasm: private rows are for products, and for who says what for" {
							wrong = fmt.Sprintf("%+v, %+v, %+v", open, closed, said)
						}
					}
					done <- wrong
				}()
			}
			for range 8 {
				if wrong := <-done; wrong != "" {
					t.Error(wrong)
				}
			}
			control := reading("private", "")
			if control.Action = policy.ActionControl; !p.Decide(control).Allow {
				t.Error("the owner is locked out")
			}
		})
	}
}

// denying is a Judge that denies, and remembers what it was asked.
type denying struct{ asked []policy.Request }

func (d *denying) Judge(r policy.Request) policy.Decision {
	d.asked = append(d.asked, r)
	return policy.Decision{Reason: "not this page"}
}

// TestPolicyOfPages: a policy is asked about the page itself, before anything is opened, and about other bindings as they are declared.
func TestPolicyOfPages(t *testing.T) {
	var j denying
	n := &Node{policy: policy.Local(policy.Options{Judge: &j})}
	id := host.ProductID{Tenant: host.LocalTenant, Domain: "test", Name: "asker"}
	page := map[string]string{"request": `{"method":"GET","url":"https://api.example.com/v1/page?a=b"}`}
	for _, r := range []drivers.Request{{URI: "https://api.example.com/v1/", Options: page}, {URI: "file:/data/x.csv", Options: page}, {URI: "https://api.example.com/v1/"}} {
		_, err := bindings{n}.Open(t.Context(), id, "api", r)
		if host.CodeOf(err) != host.CodePolicyDenied || !strings.Contains(err.Error(), "not this page") {
			t.Errorf("%s: %v", r.URI, err)
		}
	}
	for k, want := range []string{"https://api.example.com/v1/page?a=b", "file:/data/x.csv", "https://api.example.com/v1/"} {
		if a := j.asked[k]; a.Resource.URI != want || a.Action != policy.ActionDriverRead || a.Resource.Port != "api" || a.Subject != policy.Product(id) {
			t.Errorf("asked %+v, want %s", a, want)
		}
	}
}

// BenchmarkPolicy is what the read path pays for a decision that was made before.
func BenchmarkPolicy(b *testing.B) {
	cfg := Config{Data: b.TempDir(), Policy: PolicyPlugin{Name: "private.wasm", Module: buildtest.Plugin(b, "rust")}}
	if err := cfg.Validate(); err != nil {
		b.Fatal(err)
	}
	j, err := newJudge(b.Context(), &cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer j.close()
	p := policy.Local(policy.Options{Judge: j})
	for b.Loop() {
		p.Decide(reading("public", ""))
	}
}

package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

// judgement is a Judge that says the same always, and remembers what it was asked.
type judgement struct {
	says  Decision
	asked []Request
}

func (j *judgement) Judge(r Request) Decision {
	j.asked = append(j.asked, r)
	return j.says
}

// TestJudge: a Judge can take away what the rules allow, never give what they deny, and never keep the owner from steering.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name         string
		says         bool
		subject      Subject
		action       Action
		allow, asked bool
		reason       string
	}{
		{"allows what is allowed", true, Owner("local"), ActionRead, true, true, "the judge"},
		{"denies what is allowed", false, Owner("local"), ActionRead, false, true, "the judge"},
		{"denies a product", false, Product(strikes), ActionRead, false, true, "the judge"},
		{"allows what is denied", true, Anonymous, ActionControl, false, false, "token"},
		{"allows what is unknown", true, Owner("local"), "destroy", false, false, "unknown"},
		{"is not asked when the owner operates", false, Owner("local"), ActionOperate, true, false, "owner"},
		{"is not asked when the owner controls", false, Owner("local"), ActionControl, true, false, "owner"},
		{"denies the owner to publish", false, Owner("local"), ActionPublish, false, true, "the judge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &judgement{says: Decision{c.says, "the judge said so"}}
			r := Request{Subject: c.subject, Action: c.action, Resource: Resource{Product: airports}, Purpose: "audit"}
			d := Local(Options{AnonymousRead: true, Judge: j}).Decide(r)
			if d.Allow != c.allow || !strings.Contains(d.Reason, c.reason) || len(j.asked) > 0 != c.asked || c.asked && j.asked[0] != r {
				t.Errorf("%+v, asked %+v", d, j.asked)
			}
		})
	}
}

func TestParseDecision(t *testing.T) {
	for answer, want := range map[string]Decision{
		`{"allow":true,"reason":"yes"}`:                     {true, "yes"},
		" {\n\"reason\": \"n\\u00f6\", \"allow\": false}\n": {false, "nö"},
	} {
		if d, err := ParseDecision([]byte(answer)); err != nil || d != want {
			t.Errorf("%s: %+v, %v", answer, d, err)
		}
	}
	for _, answer := range []string{
		``, `null`, `true`, `[]`, `{}`, `{"allow":true}`, `{"reason":"x"}`, `{"allow":1,"reason":"x"}`, `{"allow":"true","reason":"x"}`, `{"allow":true,"reason":null}`, `{"allow":true,"reason":""}`,
		`{"allow":false,"allow":true,"reason":"x"}`, `{"allow":true,"reason":"x","reason":"y"}`, `{"Allow":true,"reason":"x"}`, `{"allow":true,"reason":"x","more":1}`, `{"allow":true,"reason":{"a":"b"}}`,
		`{"allow":true,"reason":"x"`, `{"allow":true,"reason":"x"}}`, `{"allow":true,"reason":"x"} {"allow":true,"reason":"x"}`, `{"allow":true "reason":"x"}`, "{\"allow\":true,\"reason\":\"\xff\"}",
		`{"allow":true,"reason":"a\nb"}`, `{"allow":true,"reason":"\u001b[2J"}`, `{"allow":true,"reason":"` + strings.Repeat("x", maxReason+1) + `"}`, `{"allow":true,"\u0061llow":true,"reason":"x"}`,
		strings.Repeat(`[`, 100_000), `{"allow":` + strings.Repeat(`{"a":`, 100_000),
	} {
		if d, err := ParseDecision([]byte(answer)); err == nil || d.Allow {
			t.Errorf("%.60q is %+v", answer, d)
		}
	}
}

// FuzzParseDecision: what is taken is an object of two members to another reader too, which says the same.
func FuzzParseDecision(f *testing.F) {
	for _, s := range []string{`{"allow":true,"reason":"yes"}`, `{"reason":"no","allow":false}`, `{"allow":true,"allow":false,"reason":"x"}`, `{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		d, err := ParseDecision(answer)
		if err != nil {
			if d != (Decision{}) {
				t.Fatalf("%q: %+v, %v", answer, d, err)
			}
			return
		}
		var all map[string]any
		if err := json.Unmarshal(answer, &all); err != nil || len(all) != 2 || all["allow"] != d.Allow || all["reason"] != d.Reason {
			t.Fatalf("%q: %+v, and %v, %v", answer, d, all, err)
		}
	})
}

package policy

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/adp-host/adp/host"
)

var (
	strikes  = host.ProductID{Tenant: "local", Domain: "safety", Name: "strikes"}
	airports = host.ProductID{Tenant: "local", Domain: "aviation", Name: "airports"}
	foreign  = host.ProductID{Tenant: "acme", Domain: "safety", Name: "strikes"}
	closed   = Local(Options{})
	public   = Local(Options{AnonymousRead: true})
)

func TestDecide(t *testing.T) {
	catalogue := Resource{Product: host.ProductID{Tenant: "local"}}
	of := func(id host.ProductID) Resource { return Resource{Product: id, Port: "p"} }
	for _, c := range []struct {
		name    string
		policy  *Policy
		subject Subject
		action  Action
		on      Resource
		allow   bool
		says    string
	}{
		{"owner reads", closed, Owner("local"), ActionRead, of(strikes), true, "owner"},
		{"owner controls", closed, Owner("local"), ActionControl, of(strikes), true, "owner"},
		{"owner publishes", closed, Owner("local"), ActionPublish, catalogue, true, "owner"},
		{"owner of another tenant", closed, Owner("acme"), ActionRead, of(strikes), false, "tenant"},
		{"owner reads another tenant", closed, Owner("local"), ActionRead, of(foreign), false, "tenant"},
		{"owner does what nobody knows", closed, Owner("local"), "destroy", of(strikes), false, "unknown action"},
		{"anonymous reads a closed node", closed, Anonymous, ActionRead, of(strikes), false, "token"},
		{"anonymous finds on a closed node", closed, Anonymous, ActionFind, catalogue, false, "token"},
		{"anonymous reads a public node", public, Anonymous, ActionRead, of(strikes), true, "public"},
		{"anonymous finds on a public node", public, Anonymous, ActionFind, catalogue, true, "public"},
		{"anonymous controls a public node", public, Anonymous, ActionControl, of(strikes), false, "token"},
		{"anonymous publishes to a public node", public, Anonymous, ActionPublish, catalogue, false, "token"},
		{"anonymous drives a public node", public, Anonymous, ActionDriverRead, of(strikes), false, "token"},
		{"product reads its neighbour", closed, Product(strikes), ActionRead, of(airports), true, "tenant"},
		{"product of another tenant reads", closed, Product(foreign), ActionRead, of(strikes), false, "tenant"},
		{"product reads its own source", closed, Product(strikes), ActionDriverRead, of(strikes), true, "own"},
		{"product reads another's source", closed, Product(strikes), ActionDriverRead, of(airports), false, "own"},
		{"product writes another's binding", closed, Product(strikes), ActionDriverWrite, of(airports), false, "own"},
		{"product commits its own", closed, Product(strikes), ActionCommit, of(strikes), true, "own"},
		{"product commits another's", closed, Product(strikes), ActionCommit, of(airports), false, "own"},
		{"product controls", closed, Product(strikes), ActionControl, of(strikes), false, "may not"},
		{"nobody", public, Subject{}, ActionRead, of(strikes), false, "unknown subject"},
		{"unknown kind", public, Subject{Kind: "root", Tenant: "local"}, ActionRead, of(strikes), false, "unknown subject"},
		{"no policy", nil, Owner("local"), ActionRead, of(strikes), false, "no policy"},
		{"zero policy", &Policy{}, Owner(""), ActionRead, Resource{}, false, "no policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.policy.Decide(Request{Subject: c.subject, Action: c.action, Resource: c.on})
			if d.Allow != c.allow || !strings.Contains(d.Reason, c.says) {
				t.Errorf("%+v, want allow %v because of %q", d, c.allow, c.says)
			}
		})
	}
}

// TestDefaultDeny: over random requests, whatever is allowed is allowed by one of the sentences below, and every answer
// has a reason. The sentences are written independently of Decide.
func TestDefaultDeny(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	id := func() host.ProductID {
		return host.ProductID{Tenant: pick("local", "acme", ""), Domain: pick("safety", "aviation", ""), Name: pick("strikes", "airports", "")}
	}
	actions := append([]Action{"", "READ", "read ", "*"}, Actions...)
	allowed := 0
	for range 200_000 {
		p := &Policy{Tenant: pick("local", "acme", ""), AnonymousRead: rng.IntN(2) == 0}
		r := Request{
			Subject:  Subject{Kind: Kind(pick("", "anonymous", "owner", "product", "Owner", "*")), Name: pick(id().String(), "", "local"), Tenant: pick("local", "acme", "")},
			Action:   actions[rng.IntN(len(actions))],
			Resource: Resource{Product: id(), Port: pick("", "p", "*")},
		}
		d := p.Decide(r)
		if d.Reason == "" {
			t.Fatalf("%+v has no reason", r)
		}
		if !d.Allow {
			continue
		}
		allowed++
		here := p.Tenant != "" && r.Resource.Product.Tenant == p.Tenant
		mine := r.Subject.Tenant == p.Tenant
		looks := r.Action == ActionFind || r.Action == ActionRead
		owner := r.Subject.Kind == KindOwner && mine
		visitor := r.Subject.Kind == KindAnonymous && p.AnonymousRead && looks
		neighbour := r.Subject.Kind == KindProduct && mine && looks
		itself := r.Subject.Kind == KindProduct && mine && r.Subject.Name == r.Resource.Product.String()
		if !here || !r.Action.Known() || !owner && !visitor && !neighbour && !itself {
			t.Fatalf("%+v under %+v is allowed: %s", r, p, d.Reason)
		}
	}
	if allowed < 1000 {
		t.Fatalf("only %d requests were allowed: the generator misses the interesting ones", allowed)
	}
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		request string
		allow   bool
	}{
		{`{"action":"read","resource":"adp://./aviation/airports/airports"}`, true},
		{`{"action":"driver.read","resource":""}`, true},
		{`{"action":"driver.read","resource":"adp://./aviation/airports"}`, false},
		{`{"action":"control"}`, false},
		{`{"action":"read","resource":"adp://elsewhere/aviation/airports"}`, false},
		{`{"action":"read","resource":"what?"}`, false},
		{`{"subject":{"kind":"owner"},"action":"control"}`, false},
		{`{`, false},
		{``, false},
	} {
		var d Decision
		if err := json.Unmarshal(closed.Answer(strikes, []byte(c.request)), &d); err != nil {
			t.Fatal(err)
		}
		if d.Allow != c.allow || d.Reason == "" {
			t.Errorf("%s: %+v, want %v", c.request, d, c.allow)
		}
	}
}

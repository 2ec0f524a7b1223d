// Package policy answers access decisions: may this subject do that to this resource? A decision is a pure function
// of the request and the node's settings; it reads no clock, no file and no network. What no rule allows is denied,
// with a reason.
//
// Every wire and every run asks here, once for each thing it is about to touch and before it touches it. The answer
// has room for more than yes and no (row filters, column masks), so that richer rules can come without moving walls.
package policy

import (
	"fmt"

	"github.com/adp-host/adp/host"
)

// Kind says what sort of subject asks.
type Kind string

const (
	KindAnonymous Kind = "anonymous" // nobody proved who they are
	KindOwner     Kind = "owner"     // the bearer of the node's own token
	KindProduct   Kind = "product"   // a product, in one of its runs; Name is ProductID.String()
)

// Action is what the subject wants to do.
type Action string

const (
	ActionFind        Action = "find"         // see that a product exists, its status and its runs
	ActionRead        Action = "read"         // read rows of an output port
	ActionControl     Action = "control"      // pause, resume, trigger, roll back, release, skip
	ActionPublish     Action = "publish"      // register an artifact
	ActionDriverRead  Action = "driver.read"  // read a source or a binding
	ActionDriverWrite Action = "driver.write" // write to a binding
	ActionCommit      Action = "commit"       // publish a run
	ActionPlace       Action = "place"        // run a product on a node
	ActionOperate     Action = "operate"      // list, cordon and drain nodes, bring another one
)

// Actions lists every action there is.
var Actions = []Action{
	ActionFind, ActionRead, ActionControl, ActionPublish, ActionDriverRead, ActionDriverWrite, ActionCommit, ActionPlace, ActionOperate,
}

// Known reports whether a is one of Actions.
func (a Action) Known() bool {
	for _, k := range Actions {
		if a == k {
			return true
		}
	}
	return false
}

// Subject is who asks. The zero Subject is nobody and is denied everything.
type Subject struct {
	Kind   Kind   `json:"kind"`
	Name   string `json:"name,omitempty"`
	Tenant string `json:"tenant,omitempty"` // "" for anonymous subjects
}

// String is the subject as reasons and logs name it.
func (s Subject) String() string {
	switch {
	case s.Kind == "":
		return "nobody"
	case s.Name == "":
		return string(s.Kind)
	}
	return string(s.Kind) + " " + s.Name
}

// Anonymous is the subject of a caller without credentials.
var Anonymous = Subject{Kind: KindAnonymous}

// Owner is the subject of the bearer of the node's own token.
func Owner(tenant string) Subject { return Subject{Kind: KindOwner, Name: tenant, Tenant: tenant} }

// Product is the subject of a product in one of its runs.
func Product(id host.ProductID) Subject {
	return Subject{Kind: KindProduct, Name: id.String(), Tenant: id.Tenant}
}

// Resource is what is touched. A Resource with only a tenant is the catalogue as a whole.
type Resource struct {
	Product host.ProductID `json:"product"`
	Port    string         `json:"port,omitempty"` // output port, input or binding; "" the product itself
	URI     string         `json:"uri,omitempty"`  // driver actions: what the driver would open
}

// String is the resource as reasons name it.
func (r Resource) String() string {
	if r.Product.Name == "" {
		return "the catalogue"
	}
	s := r.Product.URL()
	if r.Port != "" {
		s += "/" + r.Port
	}
	return s
}

// Request is one question.
type Request struct {
	Subject  Subject  `json:"subject"`
	Action   Action   `json:"action"`
	Resource Resource `json:"resource"`
	Purpose  string   `json:"purpose,omitempty"` // why, in the subject's own words
}

// Decision is the answer. The zero Decision denies.
type Decision struct {
	Allow  bool   `json:"allow"`
	Reason string `json:"reason"` // always set, for allowed requests too
}

// Policy is the settings of one node's decisions. A nil Policy and the zero Policy deny everything.
type Policy struct {
	// Tenant is whose products this node serves; "" serves nobody's.
	Tenant string
	// AnonymousRead lets callers without credentials find and read products: for public sample data, as `adp demo` has.
	AnonymousRead bool
	// Judge has the second word; nil: the rules decide alone.
	Judge Judge
}

// Options are the settings of a node that nobody shares.
type Options struct {
	AnonymousRead bool  // see Policy
	Judge         Judge // see Policy
}

// Local is the policy of a node that serves its owner: tenant host.LocalTenant.
func Local(o Options) *Policy {
	return &Policy{Tenant: host.LocalTenant, AnonymousRead: o.AnonymousRead, Judge: o.Judge}
}

// Decide answers a request. It is total: every request has an answer and a reason.
func (p *Policy) Decide(r Request) Decision {
	d := p.rules(r)
	if !d.Allow || p.Judge == nil || spared(r) {
		return d
	}
	return p.Judge.Judge(r)
}

// rules answer a request without the Judge.
func (p *Policy) rules(r Request) Decision {
	switch {
	case p == nil || p.Tenant == "":
		return deny("this node has no policy")
	case !r.Action.Known():
		return deny("unknown action %q", string(r.Action))
	case r.Resource.Product.Tenant != p.Tenant:
		return deny("%s is not of tenant %s", r.Resource, p.Tenant)
	}
	switch r.Subject.Kind {
	case KindOwner:
		return p.owner(r)
	case KindAnonymous:
		return p.anonymous(r)
	case KindProduct:
		return p.product(r)
	}
	return deny("unknown subject")
}

func (p *Policy) owner(r Request) Decision {
	if r.Subject.Tenant != p.Tenant {
		return deny("%s is not of tenant %s", r.Subject, p.Tenant)
	}
	return allow("the local owner may do everything")
}

func (p *Policy) anonymous(r Request) Decision {
	reading := r.Action == ActionFind || r.Action == ActionRead
	switch {
	case !reading:
		return deny("%s needs the node's token", r.Action)
	case !p.AnonymousRead:
		return deny("this node lets nobody %s without its token", r.Action)
	}
	return allow("this node's products are public to read")
}

// product answers for a product in its run: it reads the ports of its tenant, and drives and commits only what is its own.
func (p *Policy) product(r Request) Decision {
	own := r.Subject.Name == r.Resource.Product.String()
	switch {
	case r.Subject.Tenant != p.Tenant:
		return deny("%s is not of tenant %s", r.Subject, p.Tenant)
	case r.Action == ActionFind, r.Action == ActionRead:
		return allow("products of one tenant read each other's ports")
	case r.Action == ActionDriverRead, r.Action == ActionDriverWrite, r.Action == ActionCommit, r.Action == ActionPlace:
		if own {
			return allow("a product uses what its own declaration names")
		}
		return deny("%s may use only its own inputs, bindings and outputs", r.Subject)
	}
	return deny("a product may not %s", r.Action)
}

func allow(reason string) Decision { return Decision{Allow: true, Reason: reason} }

func deny(format string, args ...any) Decision { return Decision{Reason: fmt.Sprintf(format, args...)} }

package policy

import (
	"bytes"
	"encoding/json"

	"github.com/adp-host/adp/host"
)

// guestRequest is what a guest may ask through the policy import: never in another's name.
type guestRequest struct {
	Action   Action `json:"action"`
	Resource string `json:"resource"` // adp://./domain/product[/port]; "" the product itself
	Purpose  string `json:"purpose,omitempty"`
}

// Answer decides a guest's question, both ends JSON: {"action","resource","purpose"} → {"allow","reason"}. The subject
// is always the asking product. A request that cannot be read is denied, it is no error.
func (p *Policy) Answer(id host.ProductID, request []byte) []byte {
	d := p.answer(id, request)
	b, _ := json.Marshal(d) // a bool and a string always encode
	return b
}

func (p *Policy) answer(id host.ProductID, request []byte) Decision {
	var g guestRequest
	dec := json.NewDecoder(bytes.NewReader(request))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&g); err != nil {
		return deny("the request is not {action, resource, purpose}: %v", err)
	}
	res := Resource{Product: id}
	if g.Resource != "" {
		a, err := host.ParseAddress(g.Resource)
		if err != nil {
			return deny("%v", err)
		}
		if !a.Local() {
			return deny("%s is not of this mesh", a)
		}
		res = Resource{Product: a.ID(id.Tenant), Port: a.Port}
	}
	return p.Decide(Request{Subject: Product(id), Action: g.Action, Resource: res, Purpose: g.Purpose})
}

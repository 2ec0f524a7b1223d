// Command conform takes every batch of input all through Arrow's library to output columns: what the project's tests hold
// against the host, which uses a newer one.
package main

import (
	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/arrow/adparrow"
	"github.com/apache/arrow/go/v17/arrow"
)

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	out := p.Writer("columns")
	adparrow.OnRecord(p, "all", func(rec arrow.Record) error { return adparrow.Emit(out, rec) })
	return nil
}

// Command ringer passes every row on to its port, and to whom it rings the bell. A test compares the two: effects arrive
// once, whichever of several nodes is killed or stopped.
package main

import adp "github.com/adp-host/adp/guest-sdk/go"

// Beat is a row of the incremental input files, of the output beats and of the driver bell.
type Beat struct{ At int64 }

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	out, bell := adp.Output[Beat](p, "beats"), adp.Output[Beat](p, "bell")
	adp.OnRow(p, "files", func(b *Beat) error {
		out.Emit(*b)
		bell.Emit(*b)
		return nil
	})
	return nil
}

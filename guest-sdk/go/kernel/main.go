// Command kernel is the row kernel by which guests are measured against native code: a product whose work is all in the
// loop. guest-sdk/rust/kernel is the same in Rust. The setting job chooses the loop, see kernel.go; the sums leave at flush.
package main

import adp "github.com/adp-host/adp/guest-sdk/go"

// Sum is the row that output sums gets.
type Sum struct {
	Rows int64   // kept by the row kernel; bytes counted by bytesum
	Sum  float64 // of all computed values
}

func init() { adp.Register(product) }

func main() {}

// product reads input rows with the columns k int64, v float64 and name string, all required.
func product(p *adp.Product) error {
	job := adp.Setting(p, "job", "kernel")
	sums := adp.Output[Sum](p, "sums")
	var total Sum
	var groups [16]float64
	var scratch []float64

	p.OnBatch("rows", func(b *adp.Batch) error {
		k, v, name := b.Int64s("k"), b.Float64s("v"), b.Strings("name")
		if len(scratch) < b.Len() {
			scratch = make([]float64, b.Len())
		}
		switch job {
		case "dense":
			total.Rows += int64(b.Len())
			total.Sum += Dense(v, v, scratch)
		case "bytesum":
			total.Rows += int64(ByteSum(name.Bytes()))
		default:
			total.Rows += int64(Kernel(k, v, name.Offsets(), name.Bytes(), scratch, &groups))
		}
		return nil
	})
	p.OnFlush(func() error {
		for _, g := range groups {
			total.Sum += g
		}
		sums.Emit(total)
		return nil
	})
	return nil
}

// Command rain-alerts tells of every rainy day, to whoever reads its port and to whom it rings the bell. A test compares the
// two: effects arrive once.
package main

import adp "github.com/adp-host/adp/guest-sdk/go"

// Day is a row of the incremental input days.
type Day struct {
	Date            adp.Date
	PrecipitationMM *float64 `adp:"precipitation_mm"`
}

// Alert is a row of the output alerts and of the driver bell.
type Alert struct {
	Date            adp.Date
	PrecipitationMM float64 `adp:"precipitation_mm"`
}

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	out, bell := adp.Output[Alert](p, "alerts"), adp.Output[Alert](p, "bell")
	adp.OnRow(p, "days", func(d *Day) error {
		if d.PrecipitationMM != nil && *d.PrecipitationMM > 0 {
			a := Alert{d.Date, *d.PrecipitationMM}
			out.Emit(a)
			bell.Emit(a)
		}
		return nil
	})
	return nil
}

// Command example is a small product: what bird strikes cost each airport, kept up to date as strikes are reported.
// guest-sdk/rust/example is the same product in Rust.
package main

import (
	"maps"
	"slices"

	adp "github.com/adp-host/adp/guest-sdk/go"
)

// Airport is a row of the snapshot input airports.
type Airport struct {
	Code string
	Name string
	City *string // nullable
}

// Strike is a row of the incremental input strikes.
type Strike struct {
	Airport string
	Date    adp.Date
	Cost    adp.Null[int64] // dollars; nullable
}

// Risk is a row of the upsert output risk; its key is airport.
type Risk struct {
	Airport string
	Name    *string
	City    *string
	Strikes int64
	Cost    int64
	Last    adp.Date
}

func init() { adp.Register(product) }

func main() {}

// product is called once for each run; its variables live as long as the run.
func product(p *adp.Product) error {
	minimum := adp.Setting(p, "minimum_cost", int64(0))
	airports := map[string]Airport{}
	touched := map[string]bool{}
	risk := adp.Output[Risk](p, "risk")

	adp.OnRow(p, "airports", func(a *Airport) error {
		airports[a.Code] = *a
		return nil
	})

	adp.OnRow(p, "strikes", func(s *Strike) error {
		cost := s.Cost.Or(0)
		if cost < minimum {
			p.Count("strikes_ignored", 1)
			return nil
		}
		p.State.Add("strikes/"+s.Airport, 1)
		p.State.Add("cost/"+s.Airport, cost)
		if last := p.State.Int64("last/" + s.Airport); last < int64(s.Date) {
			p.State.PutInt64("last/"+s.Airport, int64(s.Date))
		}
		touched[s.Airport] = true
		return nil
	})

	p.OnFlush(func() error {
		for _, code := range slices.Sorted(maps.Keys(touched)) {
			row := Risk{
				Airport: code,
				Strikes: p.State.Int64("strikes/" + code),
				Cost:    p.State.Int64("cost/" + code),
				Last:    adp.Date(p.State.Int64("last/" + code)),
			}
			if a, known := airports[code]; known {
				row.Name, row.City = &a.Name, a.City
			}
			risk.Emit(row)
		}
		p.Info("airports touched:", len(touched))
		return nil
	})
	return nil
}

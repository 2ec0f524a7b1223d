// Command strike-locations joins bird strikes, as they are reported and corrected, with the airports of their state.
package main

import adp "github.com/adp-host/adp/guest-sdk/go"

// Airport is a row of the snapshot input airports.
type Airport struct {
	State *string
}

// Strike is a change of the incremental input strikes.
type Strike struct {
	adp.Change
	StrikeID  int64
	Date      adp.Date
	Airport   string
	State     string
	Damaged   bool
	CostTotal int64
}

// Located is a row of the upsert output; its key is strike_id.
type Located struct {
	StrikeID        int64
	Date            adp.Date
	Airport         string
	State           string
	StateCode       *string
	AirportsInState int64
	Damaged         bool
	CostTotal       int64
}

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	airports := map[string]int64{}
	out := adp.Output[Located](p, "located")
	adp.OnRow(p, "airports", func(a *Airport) error {
		if a.State != nil {
			airports[*a.State]++
		}
		return nil
	})
	adp.OnRow(p, "strikes", func(s *Strike) error {
		row := Located{StrikeID: s.StrikeID, Date: s.Date, Airport: s.Airport, State: s.State, Damaged: s.Damaged, CostTotal: s.CostTotal}
		if code, ok := postal[s.State]; ok {
			row.StateCode, row.AirportsInState = &code, airports[code]
		}
		switch s.Op {
		case adp.OpDelete:
			out.Delete(row)
		case adp.OpUpdateBefore: // its update_after replaces it
		default:
			out.Emit(row)
		}
		return nil
	})
	return nil
}

// Command airports publishes the airports file as a table for joins: codes trimmed, "NA" turned into null.
package main

import (
	"strings"

	adp "github.com/adp-host/adp/guest-sdk/go"
)

// Row is a row of the file.
type Row struct {
	IATA      string   `adp:"iata"`
	Name      string   `adp:"name,zero"`
	City      string   `adp:"city,zero"`
	State     string   `adp:"state,zero"`
	Country   string   `adp:"country,zero"`
	Latitude  *float64 `adp:"latitude"`
	Longitude *float64 `adp:"longitude"`
}

// Airport is a row of the output.
type Airport struct {
	IATA                string `adp:"iata"`
	Name                string
	City, State         *string
	Country             *string
	Latitude, Longitude float64
}

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	out := adp.Output[Airport](p, "airports")
	adp.OnRow(p, "file", func(r *Row) error {
		if r.Latitude == nil || r.Longitude == nil {
			p.Warn("without a place:", r.IATA)
			return nil
		}
		out.Emit(Airport{
			IATA: strings.TrimSpace(r.IATA), Name: strings.TrimSpace(r.Name),
			City: known(r.City), State: known(r.State), Country: known(r.Country),
			Latitude: *r.Latitude, Longitude: *r.Longitude,
		})
		return nil
	})
	return nil
}

// known is nil for what the source writes when it does not know.
func known(s string) *string {
	s = strings.TrimSpace(s)
	if s == "" || s == "NA" {
		return nil
	}
	return &s
}

// Command earthquakes publishes the events of the feed. What is no earthquake is not filtered out here: the contract's
// rule only-earthquakes holds such a day back until a person has looked at it.
package main

import adp "github.com/adp-host/adp/guest-sdk/go"

// Event is a row of the feed.
type Event struct {
	ID        string `adp:"id"`
	Time      adp.Timestamp
	Magnitude *float64
	Place     *string
	Type      string `adp:"type,zero"`
	Status    string `adp:"status,zero"`
	Longitude *float64
	Latitude  *float64
	DepthKM   *float64 `adp:"depth_km"`
}

// Quake is a row of the output.
type Quake struct {
	ID                  string `adp:"id"`
	Time                adp.Timestamp
	Magnitude           float64
	Place               *string
	Type                string
	Reviewed            bool
	Longitude, Latitude float64
	DepthKM             *float64 `adp:"depth_km"`
}

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	out := adp.Output[Quake](p, "quakes")
	adp.OnRow(p, "feed", func(e *Event) error {
		if e.Magnitude == nil || e.Longitude == nil || e.Latitude == nil {
			p.Warn("incomplete event:", e.ID)
			return nil
		}
		out.Emit(Quake{ID: e.ID, Time: e.Time, Magnitude: *e.Magnitude, Place: e.Place, Type: e.Type,
			Reviewed: e.Status == "reviewed", Longitude: *e.Longitude, Latitude: *e.Latitude, DepthKM: e.DepthKM})
		return nil
	})
	return nil
}

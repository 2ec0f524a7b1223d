// Command seattle-months keeps one row a month up to date as days arrive.
package main

import (
	"maps"
	"slices"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/adpjson"
)

// Day is a row of the incremental input days.
type Day struct {
	Date            adp.Date
	PrecipitationMM adp.Null[float64] `adp:"precipitation_mm"`
	TempMaxC        adp.Null[float64] `adp:"temp_max_c"`
	TempMinC        adp.Null[float64] `adp:"temp_min_c"`
}

// Month is a row of the upsert output, and what the state keeps of a month; its key is month.
type Month struct {
	Month           string
	Days            int64
	RainyDays       int64
	PrecipitationMM float64  `adp:"precipitation_mm"`
	WarmestC        *float64 `adp:"warmest_c"`
	ColdestC        *float64 `adp:"coldest_c"`
}

// dry is how much precipitation, in millimetres, does not make a day rainy.
const dry = 0.1

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	months := map[string]*Month{}
	kept := adpjson.Of[Month](p, "months/")
	out := adp.Output[Month](p, "months")
	adp.OnRow(p, "days", func(d *Day) error {
		name := d.Date.String()[:7]
		m := months[name]
		if m == nil {
			before, ok := kept.Get(name)
			if !ok {
				before = Month{Month: name}
			}
			m = &before
			months[name] = m
		}
		m.add(d)
		return nil
	})
	p.OnFlush(func() error {
		for _, name := range slices.Sorted(maps.Keys(months)) {
			kept.Put(name, *months[name])
			out.Emit(*months[name])
		}
		return nil
	})
	return nil
}

func (m *Month) add(d *Day) {
	m.Days++
	m.PrecipitationMM += d.PrecipitationMM.Or(0)
	if d.PrecipitationMM.Or(0) > dry {
		m.RainyDays++
	}
	if t := d.TempMaxC; t.Valid && (m.WarmestC == nil || t.V > *m.WarmestC) {
		m.WarmestC = &t.V
	}
	if t := d.TempMinC; t.Valid && (m.ColdestC == nil || t.V < *m.ColdestC) {
		m.ColdestC = &t.V
	}
}

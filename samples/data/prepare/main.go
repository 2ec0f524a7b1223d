// Command prepare cuts the sample data from an unpacked npm package vega-datasets 3.2.1:
//
//	npm pack vega-datasets@3.2.1 && tar xzf vega-datasets-3.2.1.tgz
//	go run ./samples/data/prepare package/data samples/data
//
// It renames columns, splits by year or day and numbers the bird strikes, since the source has no key. Values are
// left as they are, defects included.
package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: prepare SOURCE TARGET")
	}
	src, dst := os.Args[1], os.Args[2]
	rows := read(filepath.Join(src, "airports.csv"))
	write(filepath.Join(dst, "airports", "airports.csv"), rows)

	rows = read(filepath.Join(src, "birdstrikes.csv"))
	byYear(dst, "birdstrikes", numbered(rows[1:]), append([]string{"strike_id"}, strikeColumns...), 4)

	rows = read(filepath.Join(src, "seattle-weather.csv"))
	byYear(dst, "seattle-weather", rows[1:], rows[0], 0)

	earthquakes(filepath.Join(src, "earthquakes.json"), dst)
}

var strikeColumns = []string{"airport", "aircraft", "damage", "date", "operator", "state", "phase", "wildlife_size",
	"species", "time_of_day", "cost_other", "cost_repair", "cost_total", "speed_knots"}

// numbered puts the row's number in the source before it.
func numbered(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, r := range rows {
		out[i] = append([]string{strconv.Itoa(i + 1)}, r...)
	}
	return out
}

func byYear(dst, name string, rows [][]string, header []string, date int) {
	years := map[string][][]string{}
	for _, r := range rows {
		y := r[date][:4]
		years[y] = append(years[y], r)
	}
	for y, r := range years {
		write(filepath.Join(dst, name, y+".csv"), append([][]string{header}, r...))
	}
}

type quake struct {
	ID        string  `json:"id"`
	Time      string  `json:"time"`
	Magnitude float64 `json:"magnitude"`
	Place     string  `json:"place"`
	Type      string  `json:"type"`
	Status    string  `json:"status"`
	Longitude float64 `json:"longitude"`
	Latitude  float64 `json:"latitude"`
	DepthKM   float64 `json:"depth_km"`
}

func earthquakes(src, dst string) {
	b, err := os.ReadFile(src)
	check(err)
	var feed struct {
		Features []struct {
			ID         string
			Properties struct {
				Mag                 float64
				Place, Type, Status string
				Time                int64
			}
			Geometry struct{ Coordinates []float64 }
		}
	}
	check(json.Unmarshal(b, &feed))
	slices.Reverse(feed.Features) // oldest first
	days := map[string][]byte{}
	for _, f := range feed.Features {
		t := time.UnixMilli(f.Properties.Time).UTC()
		c := f.Geometry.Coordinates
		line, err := json.Marshal(quake{f.ID, t.Format("2006-01-02T15:04:05.000Z"), f.Properties.Mag, f.Properties.Place,
			f.Properties.Type, f.Properties.Status, c[0], c[1], c[2]})
		check(err)
		day := t.Format(time.DateOnly)
		days[day] = append(append(days[day], line...), '\n')
	}
	for day, folder := range map[string]string{"2018-02-04": "earthquakes", "2018-02-05": "later/earthquakes"} {
		file := filepath.Join(dst, folder, day+".ndjson")
		check(os.MkdirAll(filepath.Dir(file), 0o755))
		check(os.WriteFile(file, days[day], 0o644))
	}
}

func read(file string) [][]string {
	f, err := os.Open(file)
	check(err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	check(err)
	return rows
}

func write(file string, rows [][]string) {
	check(os.MkdirAll(filepath.Dir(file), 0o755))
	f, err := os.Create(file)
	check(err)
	w := csv.NewWriter(f)
	check(w.WriteAll(rows))
	check(f.Close())
	fmt.Println(file, len(rows)-1)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

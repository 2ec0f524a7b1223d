// Package mesh is the sample mesh: eleven products in four domains over real data, in Go, Rust, AssemblyScript, Python and SQL.
//
// It knows where the products and their data lie, copies them to where a demo or a test may change them, and lays
// the late data down. What runs them is the caller's.
package mesh

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/adp-host/adp/host"
)

// Products lists the folders of the products below the samples folder, upstream before downstream.
var Products = []string{
	"aviation/airports",
	"safety/birdstrikes",
	"safety/species-costs",
	"safety/strike-locations",
	"safety/strike-risk",
	"weather/seattle-days",
	"weather/seattle-months",
	"weather/seattle-records",
	"weather/seattle-spells",
	"seismic/earthquakes",
	"seismic/airport-exposure",
}

// Held names the product that a rule holds back once the late data has come: the lesson of the demo.
var Held = host.ProductID{Tenant: host.LocalTenant, Domain: "seismic", Name: "earthquakes"}

// sources say which data folder feeds which input, by product and input.
var sources = map[string]map[string]string{
	"aviation/airports":    {"file": "airports/airports.csv"},
	"safety/birdstrikes":   {"reports": "birdstrikes"},
	"weather/seattle-days": {"observations": "seattle-weather"},
	"seismic/earthquakes":  {"feed": "earthquakes"},
}

// Find locates the samples folder: the given one, else ./samples, else beside or above the program itself.
func Find(given string) (string, error) {
	tried := []string{given}
	if given == "" {
		tried = []string{"samples"}
		if exe, err := os.Executable(); err == nil {
			dir := filepath.Dir(exe)
			tried = append(tried, filepath.Join(dir, "samples"), filepath.Join(dir, "..", "samples"))
		}
	}
	for _, dir := range tried {
		if _, err := os.Stat(filepath.Join(dir, Products[0], "product.yaml")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", host.Errorf(host.CodeNodeSetup, "no sample products in %q", tried).
		WithHint("run the demo in a checkout of adp, or name its folder: adp demo --samples DIR")
}

// Data is a copy of the sample data that may be changed.
type Data struct {
	samples string
	Dir     string
}

// CopyData copies the data of the samples folder to dir, all but what comes later.
func CopyData(samples, dir string) (*Data, error) {
	for _, inputs := range sources {
		for _, path := range inputs {
			if err := copyTree(filepath.Join(samples, "data", path), filepath.Join(dir, path)); err != nil {
				return nil, err
			}
		}
	}
	return &Data{samples: samples, Dir: dir}, nil
}

// Sources are the URIs that replace those of a product's file inputs, by input name; nil when it has none.
func (d *Data) Sources(product string) map[string]string {
	out := map[string]string{}
	for input, path := range sources[product] {
		out[input] = "file:" + filepath.Join(d.Dir, path)
	}
	return out
}

// Later drops the late data into the watched folders, each file renamed in whole. It returns their paths below Dir.
func (d *Data) Later() ([]string, error) {
	root := filepath.Join(d.samples, "data", "later")
	var out []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		out = append(out, rel)
		return copyFile(path, filepath.Join(d.Dir, rel))
	})
	return out, err
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

// copyFile writes beside the target under a hidden name, then renames: a watcher never sees half of it.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".part")
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return errors.Join(fmt.Errorf("copy %s: %w", filepath.Base(from), err), os.Remove(tmp))
	}
	return os.Rename(tmp, to)
}

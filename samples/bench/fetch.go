package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Where the flights come from. The file has no explicit licence, so that the project does not carry it.
const (
	flightsPackage = "vega-datasets@3.2.1"
	flightsMember  = "package/data/flights-3m.parquet"
)

// fetchFlights gives the path of the flights in the cache, and has npm fetch them when they are not there.
func (b *bench) fetchFlights(ctx context.Context) (string, error) {
	path := filepath.Join(b.cache, "flights-3m.parquet")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	b.talk("  npm fetches %s, once", flightsPackage)
	npm := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", b.work, flightsPackage)
	npm.Stderr = os.Stderr
	if err := npm.Run(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w", flightsPackage, err)
	}
	packs, err := filepath.Glob(filepath.Join(b.work, "vega-datasets-*.tgz"))
	if err != nil || len(packs) != 1 {
		return "", fmt.Errorf("npm left %d packages: %w", len(packs), err)
	}
	part := filepath.Join(b.work, "flights.part")
	if err := extract(packs[0], flightsMember, part); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

// extract writes one member of a .tgz to a file.
func extract(pack, member, to string) error {
	f, err := os.Open(pack)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err != nil {
			return fmt.Errorf("%s in %s: %w", member, filepath.Base(pack), err)
		}
		if h.Name != member {
			continue
		}
		out, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, t)
		return errors.Join(err, out.Close())
	}
}

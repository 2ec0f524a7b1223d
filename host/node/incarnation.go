package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
)

// incarnations is the folder of the store with a file for each incarnation of the mesh but the first, by its number.
const incarnations = "incarnations"

// unseenClaims is how many claims may have come to nothing since the last file of an attempt was written: their epochs are
// nowhere, but targets of effects may have seen them.
const unseenClaims = 1_000_000

// beginIncarnation begins the incarnation after was and after all that the store knows of. Its floor is above every epoch of
// those, claims that left no trace included; seen is the greatest that has left one. It is durable in the store before any
// etcd hears of it, so that not even a recovery that was cut off, or whose etcd was lost before its first claim, is repeated.
func beginIncarnation(ctx context.Context, s drivers.Store, was cluster.Incarnation, seen host.Epoch) (cluster.Incarnation, error) {
	next := was
	for info, err := range s.List(ctx, incarnations+"/") {
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return next, host.Errorf(host.CodeRunStore, "list the incarnations of the mesh: %w", err)
		}
		i, err := readIncarnation(ctx, s, info.Name)
		if err != nil {
			return next, host.Errorf(host.CodeRunStore, "incarnation of the mesh: %w", err)
		}
		next.Number = max(next.Number, i.Number)
		next.EpochFloor = max(next.EpochFloor, i.EpochFloor)
	}
	next.Number++
	next.EpochFloor = max(next.EpochFloor, seen) + unseenClaims
	// The name is taken once: of two recoveries at a time one fails here.
	if err := writeIncarnation(ctx, s, next); err != nil {
		return next, host.Errorf(host.CodeRunStore, "begin incarnation %d of the mesh: %w", next.Number, err)
	}
	return next, nil
}

func incarnationFile(number int64) string { return fmt.Sprintf("%s/%d.json", incarnations, number) }

// readIncarnation reads one. Of a file that was not written to its end the name still counts.
func readIncarnation(ctx context.Context, s drivers.Store, name string) (i cluster.Incarnation, err error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return i, err
	}
	defer f.Close()
	b := make([]byte, f.Size())
	if len(b) > 0 {
		if _, err := f.ReadAt(b, 0); err != nil {
			return i, err
		}
	}
	if json.Unmarshal(b, &i) != nil || name != incarnationFile(i.Number) {
		i = cluster.Incarnation{}
		if n, err := fmt.Sscanf(path.Base(name), "%d.json", &i.Number); err != nil || n != 1 {
			return i, fmt.Errorf("%s is no incarnation", name)
		}
	}
	return i, nil
}

func writeIncarnation(ctx context.Context, s drivers.Store, i cluster.Incarnation) error {
	b, err := host.CanonicalJSON(i)
	if err != nil {
		return err
	}
	name := incarnationFile(i.Number)
	f, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.Sync(ctx, name)
}

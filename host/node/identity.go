package node

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// identityFile is the file of a store, beside the products, by which nodes know that they share it.
const identityFile = "identity"

const (
	// identityTries times identityWait is how long another process may take between making the file and writing it.
	identityTries = 100
	identityWait  = 20 * time.Millisecond
	// identityLimit is more than an identity has bytes.
	identityLimit = 256
)

// storeIdentity is the random text that a store keeps for ever, made the first time and durable when it is told. A file
// without text is what is left where the power failed: it is made again.
func storeIdentity(ctx context.Context, s drivers.Store) (string, error) {
	for try := 1; ; try++ {
		id, err := readIdentity(ctx, s)
		switch {
		case err == nil && id != "":
			return id, nil
		case err == nil && try%identityTries == 0:
			err = s.Remove(ctx, identityFile)
		case err == nil:
			select {
			case <-ctx.Done():
				err = context.Cause(ctx)
			case <-time.After(identityWait):
			}
		case errors.Is(err, fs.ErrNotExist):
			err = makeIdentity(ctx, s) // and it is read: another process may have been faster
		}
		if err != nil {
			return "", host.Errorf(host.CodeNodeSetup, "identity of the store: %w", err)
		}
	}
}

func readIdentity(ctx context.Context, s drivers.Store) (string, error) {
	f, err := s.Open(ctx, identityFile)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, identityLimit))
	if err != nil {
		return "", err
	}
	if err := s.Sync(ctx, identityFile); err != nil { // whoever wrote it may not have come to that
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

func makeIdentity(ctx context.Context, s drivers.Store) error {
	w, err := s.Create(ctx, identityFile)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, rand.Text()+"\n")
	return errors.Join(err, w.Close())
}

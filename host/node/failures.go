package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"

	"github.com/adp-host/adp/host"
)

// failures remembers runs that committed nothing. Committed and held runs are in the heads; these would be nowhere.
// One NDJSON file a product, on this node; it is halved when it has grown past failureBytes.
type failures struct {
	dir string
	mu  sync.Mutex
}

const failureBytes = 256 << 10

func (f *failures) path(id host.ProductID) string {
	return filepath.Join(f.dir, id.Tenant, id.Domain, id.Name+".ndjson")
}

func (f *failures) add(id host.ProductID, st host.RunStatus) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	line, err := json.Marshal(st)
	if err != nil {
		return err
	}
	path := f.path(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if len(old) > failureBytes {
		old = old[len(old)/2:]
		old = old[bytes.IndexByte(old, '\n')+1:]
		return os.WriteFile(path, append(append(old, line...), '\n'), 0o644)
	}
	w, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// list returns the remembered runs, oldest first. A line cut short by a crash is passed over.
func (f *failures) list(id host.ProductID) ([]host.RunStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := os.ReadFile(f.path(id))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []host.RunStatus
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var st host.RunStatus
		if json.Unmarshal(s.Bytes(), &st) == nil {
			out = append(out, st)
		}
	}
	return out, s.Err()
}

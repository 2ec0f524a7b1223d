package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// cache keeps compiled modules on disk, a folder for each tenant and in it one for each module:
//
//	<dir>/key                           the key of the MACs, unless the configuration gave one
//	<dir>/t-<tenant>/<name>/module.wasm the metered module
//	<dir>/t-<tenant>/<name>/module.gob  its data, unless each of its kin brings its own, and how its instances are restored
//	<dir>/t-<tenant>/<name>/wazero-…/…  its compiled code, as wazero writes it
//	<dir>/t-<tenant>/<name>/verdict     whether it did what the interpreter did, with a MAC of its own
//	<dir>/t-<tenant>/<name>/mac         HMAC-SHA256 over the names and contents of the other files
//
// Compiled code is native code that will run in this process, and wazero guards it by no more than a CRC. So the folder is
// private, and nothing is loaded from it that does not carry a MAC under the node's key. The name is the hash of
// everything that the content depends on; what does not verify is removed and compiled again.
type cache struct {
	dir string
	key []byte
}

const (
	cachedModule  = "module.wasm"
	cachedTraits  = "module.gob"
	cachedMAC     = "mac"
	cachedVerdict = "verdict"
	unused        = 30 * 24 * time.Hour // entries nobody asked for go after this
)

func openCache(dir string, key []byte) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	c := &cache{dir: dir, key: key}
	if c.key == nil {
		if err := c.ownKey(); err != nil {
			return nil, err
		}
	}
	c.prune(time.Now())
	return c, nil
}

// ownKey reads the key of the directory, or makes it. Of several processes that make one, the first wins.
func (c *cache) ownKey() error {
	name := filepath.Join(c.dir, "key")
	for range 3 {
		key, err := os.ReadFile(name)
		switch {
		case err == nil && len(key) == sha256.Size:
			c.key = key
			return nil
		case err == nil:
			_ = os.Remove(name) // damaged: everything under it is compiled again
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if err := writeKey(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("%s is not a key", name)
}

// writeKey makes a key that is either complete or not there.
func writeKey(name string) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "tmp-key-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	_, err = tmp.Write(key)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), name)
}

// prune removes what crashed processes and old modules have left.
func (c *cache) prune(now time.Time) {
	tenants, _ := filepath.Glob(filepath.Join(c.dir, tenantPrefix+"*"))
	for _, tenant := range tenants {
		entries, _ := os.ReadDir(tenant)
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !e.IsDir() {
				continue
			}
			age := now.Sub(info.ModTime())
			if age > unused || len(e.Name()) != 2*sha256.Size && age > time.Hour {
				_ = os.RemoveAll(filepath.Join(tenant, e.Name()))
			}
		}
	}
}

const tenantPrefix = "t-"

// name is the folder of a program.
func (c *cache) name(id programID, o wasm.Options, interpreter bool) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n%s\n%s\nwazero %s\ninterpreter %v\n", id.tenant, id.module, o.Key(), wazeroVersion, interpreter)
	if id.extism { // judged by other rules
		fmt.Fprintf(h, "extism %s\n", extismVersion)
	}
	return filepath.Join(tenantPrefix+url.PathEscape(id.tenant), hex.EncodeToString(h.Sum(nil)))
}

// load gives the program in a folder, nil when there is none that verifies. What was stored of a module with kin is made that of module.
func (c *cache) load(ctx context.Context, name string, module []byte, cfg Config) *program {
	dir := filepath.Join(c.dir, name)
	want, err := os.ReadFile(filepath.Join(dir, cachedMAC))
	if err != nil {
		return nil
	}
	got, err := c.mac(dir, name)
	if err != nil || !hmac.Equal(want, got) {
		_ = os.RemoveAll(dir)
		return nil
	}
	m, err := readModule(dir)
	if err == nil && m.Kin != noKin {
		m, err = m.Relaid(module)
	}
	if err != nil {
		return nil
	}
	p, err := compile(ctx, m, dir, cfg)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
	return p
}

// readModule reads what writeModule wrote.
func readModule(dir string) (m wasm.Instantiable, err error) {
	traits, err := os.ReadFile(filepath.Join(dir, cachedTraits))
	if err == nil {
		err = gob.NewDecoder(bytes.NewReader(traits)).Decode(&m)
	}
	if err == nil {
		m.Bytes, err = os.ReadFile(filepath.Join(dir, cachedModule))
	}
	return m, err
}

func writeModule(dir string, m wasm.Instantiable) error {
	module := m.Bytes
	m.Bytes = nil
	if m.Kin != noKin {
		m.Data = nil // each brings its own
	}
	var traits bytes.Buffer
	if err := gob.NewEncoder(&traits).Encode(m); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, cachedTraits), traits.Bytes(), 0o600), os.WriteFile(filepath.Join(dir, cachedModule), module, 0o600))
}

// store compiles a module into a new folder. A cache that cannot be written slows the next start, no more.
func (c *cache) store(ctx context.Context, name string, m wasm.Instantiable, cfg Config) (*program, error) {
	tmp, err := c.room(name)
	if err != nil {
		return compile(ctx, m, "", cfg)
	}
	p, err := compileIn(ctx, tmp, m, cfg)
	if err != nil {
		_ = os.RemoveAll(tmp)
		return nil, err
	}
	if err := c.seal(tmp, name); err != nil {
		_ = os.RemoveAll(tmp)
	}
	return p, nil
}

// room makes a folder beside the one that is to be.
func (c *cache) room(name string) (string, error) {
	tenant := filepath.Join(c.dir, filepath.Dir(name))
	if err := os.Mkdir(tenant, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return os.MkdirTemp(tenant, "tmp-")
}

// compileIn compiles into a folder that has the module. Where another process does it, this one loads the result.
func compileIn(ctx context.Context, dir string, m wasm.Instantiable, cfg Config) (*program, error) {
	if err := writeModule(dir, m); err != nil {
		return compile(ctx, m, "", cfg)
	}
	if cfg.Compile != nil && !cfg.Interpreter {
		if err := cfg.Compile(ctx, dir); err != nil {
			return nil, host.Errorf(host.CodeModuleRefused, "the module cannot be compiled: %w", err).
				WithHint("its code is too complex for the time and memory that a compilation may take")
		}
	}
	return compile(ctx, m, dir, cfg)
}

// seal completes a folder and gives it its name.
func (c *cache) seal(tmp, name string) error {
	mac, err := c.mac(tmp, name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, cachedMAC), mac, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(c.dir, name)) // fails when another process was first: its folder is as good
}

// mac authenticates the files of a folder under its final name: an entry cannot stand in for another.
func (c *cache) mac(dir, name string) ([]byte, error) {
	h := hmac.New(sha256.New, c.key)
	field := func(b []byte) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	field([]byte(name))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no file", path)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == cachedMAC || strings.TrimSuffix(rel, "~") == cachedVerdict {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		field([]byte(filepath.ToSlash(rel)))
		field(b)
		return nil
	})
	return h.Sum(nil), err
}

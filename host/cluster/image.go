package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Image is what the mesh keeps in etcd, as of one revision: registrations, pointers, epochs, what is delivered and kept,
// wishes and words about nodes. What lives with a lease, who is alive and who plans, is not in it, nor who owns what.
type Image struct {
	Taken    time.Time
	Revision int64 // of the etcd that it was taken from; 0: it was not taken from one
	keys     map[string][]byte
}

// NewImage is the image of an empty mesh.
func NewImage() *Image { return &Image{Taken: time.Now().UTC(), keys: map[string][]byte{}} }

// Keys is how many keys of etcd the image holds.
func (im *Image) Keys() int { return len(im.keys) }

// imaged are the keys that an image holds.
var imaged = []string{keyMeta, prefixSpec, prefixOwn, prefixHead, prefixOut, prefixKept, prefixPlace, prefixNodeConfig}

// Image reads the whole mesh at one revision.
func (c *Cluster) Image(ctx context.Context) (*Image, error) {
	im := NewImage()
	var err error
	for _, prefix := range imaged {
		im.Revision, err = c.list(ctx, prefix, im.Revision, 0, func(key string, value []byte, _ int64) error {
			im.keys[key] = bytes.Clone(value)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return im, nil
}

// imageFormat is the version of the file's form: a line that says what it is, a line for each key, and one with the hash
// of all before it, without which the file is not whole.
const imageFormat = 1

type imageHead struct {
	Backup   string    `json:"backup"` // what the file is: "adp"
	Format   int       `json:"format"`
	Taken    time.Time `json:"taken"`
	Revision int64     `json:"revision"`
}

type imageKey struct {
	Key   string       `json:"key"`
	Value host.RawJSON `json:"value"`
}

type imageEnd struct {
	Keys   int         `json:"keys"`
	Sha256 host.Digest `json:"sha256"`
}

// Write writes the image as lines of JSON.
func (im *Image) Write(w io.Writer) error {
	sum := sha256.New()
	enc := json.NewEncoder(io.MultiWriter(w, sum))
	enc.SetEscapeHTML(false)
	err := enc.Encode(imageHead{"adp", imageFormat, im.Taken, im.Revision})
	for _, key := range slices.Sorted(maps.Keys(im.keys)) {
		if err == nil {
			err = enc.Encode(imageKey{key, im.keys[key]})
		}
	}
	if err == nil {
		err = enc.Encode(imageEnd{len(im.keys), host.Digest("sha256:" + hex.EncodeToString(sum.Sum(nil)))})
	}
	return err
}

// ReadImage reads what Write wrote. What is cut, altered or of a newer format is N005.
func ReadImage(r io.Reader) (*Image, error) {
	bad := func(format string, args ...any) error {
		return host.Errorf(host.CodeNodeSetup, "the backup cannot be used: "+format, args...).WithHint("take another one: they are written by adp node backup FILE")
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	sum := sha256.New()
	im, first := NewImage(), true
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil, bad("it is cut off after %d keys", len(im.keys))
		}
		var l struct {
			imageHead
			imageKey
			imageEnd
		}
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, bad("line %d is damaged: %w", len(im.keys)+2, err)
		}
		switch {
		case first && (l.Backup != "adp" || l.Format > imageFormat):
			return nil, bad("it is no backup of adp, or a newer one's (format %d)", l.Format)
		case first:
			im.Taken, im.Revision = l.Taken, l.Revision
		case l.Key == "":
			if l.Sha256 != host.Digest("sha256:"+hex.EncodeToString(sum.Sum(nil))) || l.Keys != len(im.keys) {
				return nil, bad("its hash does not fit its %d keys", len(im.keys))
			}
			return im, nil
		case !strings.HasPrefix(l.Key, root):
			return nil, bad("%s is no key of a mesh", l.Key)
		default:
			im.keys[l.Key] = l.Value
		}
		first = false
		sum.Write(line)
	}
}

// Epoch is the greatest epoch that the image knows of.
func (im *Image) Epoch() (host.Epoch, error) {
	var greatest host.Epoch
	for key, value := range im.keys {
		var v struct {
			Epoch host.Epoch `json:"epoch"`
			Floor host.Epoch `json:"epoch_floor"`
		}
		if !strings.HasPrefix(key, keyMeta) && !strings.HasPrefix(key, prefixOwn) && !strings.HasPrefix(key, prefixHead) {
			continue
		}
		if err := json.Unmarshal(value, &v); err != nil {
			return 0, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		greatest = max(greatest, v.Epoch, v.Floor)
	}
	return greatest, nil
}

// Specs are the registrations of the image.
func (im *Image) Specs() (map[host.ProductID]host.Spec, error) {
	return imageOf[host.Spec](im, prefixSpec)
}

// Heads are the newest pointers of the image.
func (im *Image) Heads() (map[host.ProductID]host.Pointer, error) {
	return imageOf[host.Pointer](im, prefixHead)
}

// Delivered is how far effects are delivered.
func (im *Image) Delivered() (map[host.ProductID]host.Delivered, error) {
	return imageOf[host.Delivered](im, prefixOut)
}

// Kept is how far back histories reach.
func (im *Image) Kept() (map[host.ProductID]host.Kept, error) {
	return imageOf[host.Kept](im, prefixKept)
}

func imageOf[T any](im *Image, prefix string) (map[host.ProductID]T, error) {
	out := map[host.ProductID]T{}
	for key, value := range im.keys {
		tail, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		id, err := host.ParseProductID(tail)
		if err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		out[id] = v
	}
	return out, nil
}

// SetSpec, SetHead, SetDelivered and SetKept replace what the image says of a product.
func (im *Image) SetSpec(s host.Spec) error { return im.set(specKey(s.Product), s) }

// SetHead replaces the newest pointer of a product.
func (im *Image) SetHead(id host.ProductID, p host.Pointer) error { return im.set(headKey(id), p) }

// SetDelivered replaces how far the effects of a product are delivered.
func (im *Image) SetDelivered(id host.ProductID, d host.Delivered) error {
	return im.set(outKey(id), d)
}

// SetKept replaces how far back the history of a product reaches.
func (im *Image) SetKept(id host.ProductID, k host.Kept) error { return im.set(keptKey(id), k) }

func (im *Image) set(key string, v any) error {
	b, err := host.CanonicalJSON(v)
	im.keys[key] = b
	return err
}

// Incarnation is that of the mesh of which the image is; the zero value when it is not known.
func (im *Image) Incarnation() (Incarnation, error) {
	if im.keys[keyIncarnation] == nil {
		return Incarnation{}, nil
	}
	return parseLife(im.keys[keyIncarnation])
}

// Restore writes an image into an etcd that holds no mesh, where it begins an incarnation: its floor is below every epoch to
// come, and whatever a process of an earlier one sends to this etcd is refused. Nobody owns anything then. The mesh's store is
// that of cfg. A mesh that is there already is N006, and stays as it is. What was cut off can be repeated.
func Restore(ctx context.Context, cfg Config, im *Image, begin Incarnation) (err error) {
	cfg.Node = "restore"
	if err := cfg.validate(); err != nil {
		return err
	}
	client, stop, err := reach(ctx, cfg, &addresses{given: cfg.Endpoints})
	if err != nil {
		return err
	}
	c := newCluster(cfg.Node, client, client, cfg.Log)
	c.stop = stop
	defer func() {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}()
	return c.restore(ctx, im, begin, cfg.Store)
}

// RestoreOver is Restore into an etcd that is there already, in simulations.
func RestoreOver(ctx context.Context, p Parts, im *Image, begin Incarnation) error {
	c := newCluster("restore", p.KV, p.Watcher, slog.New(slog.DiscardHandler))
	return errors.Join(c.restore(ctx, im, begin, ""), c.Close())
}

func (c *Cluster) restore(ctx context.Context, im *Image, begin Incarnation, store string) error {
	there, err := c.kv.Get(ctx, keyMeta)
	if err != nil {
		return failure("looking for a mesh", err)
	}
	if len(there.Kvs) > 0 {
		return host.Errorf(host.CodeNodeConflict, "this etcd holds a mesh already").
			WithHint("restore into an empty one; to give that mesh up, delete its keys first: etcdctl del --prefix %s", root)
	}
	return c.putImage(ctx, im, begin, store)
}

// putImage writes all keys, the mesh's identity last: without it there is no mesh yet.
func (c *Cluster) putImage(ctx context.Context, im *Image, begin Incarnation, store string) error {
	var ops []clientv3.Op
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		_, err := c.settle(ctx, "restoring the mesh", txn{Then: ops})
		ops = nil
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(im.keys)) {
		value, err := restored(key, im.keys[key])
		if err != nil {
			return err
		}
		if key == keyMeta || key == keyIncarnation || value == nil {
			continue
		}
		if ops = append(ops, clientv3.OpPut(key, string(value))); len(ops) == placeBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	m := meta{Format: metaFormat, Mesh: rand.Text(), Created: time.Now().UTC()}
	if b := im.keys[keyMeta]; b != nil {
		var err error
		if m, err = parseMeta(b); err != nil {
			return err
		}
	}
	m.Store, m.Token = store, "" // the store that the image was completed from; the token may be lost as well
	identity, err := host.CanonicalJSON(m)
	if err != nil {
		return err
	}
	fresh, err := newLife(begin)
	if err != nil {
		return err
	}
	_, err = c.settle(ctx, "restoring the mesh", txn{Then: []clientv3.Op{clientv3.OpPut(keyMeta, string(identity)), clientv3.OpPut(keyIncarnation, string(fresh))}})
	return err
}

// restored is what becomes of a value: nobody owns a product, and no node carries a member of an etcd that is gone.
func restored(key string, value []byte) ([]byte, error) {
	var v any
	switch {
	case strings.HasPrefix(key, prefixOwn):
		o := owner{}
		if err := json.Unmarshal(value, &o); err != nil {
			return nil, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		v = owner{Epoch: o.Epoch}
	case strings.HasPrefix(key, prefixNodeConfig):
		n := NodeConfig{}
		if err := json.Unmarshal(value, &n); err != nil {
			return nil, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		n.Member = false
		v = n
	default:
		return value, nil
	}
	b, err := host.CanonicalJSON(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return b, nil
}

// Forget drops what waits for a person's decision, of all products: their files go with the next clean-up. No node runs
// meanwhile. It returns how many heads it dropped.
func Forget(ctx context.Context, cfg Config) (dropped int, err error) {
	cfg.Node = "recover"
	if err := cfg.validate(); err != nil {
		return 0, err
	}
	client, stop, err := reach(ctx, cfg, &addresses{given: cfg.Endpoints})
	if err != nil {
		return 0, err
	}
	c := newCluster(cfg.Node, client, client, cfg.Log)
	c.stop = stop
	defer func() {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}()
	all, err := byProduct(ctx, c, prefixKept, func(k host.Kept) host.Kept { return k })
	if err != nil {
		return 0, err
	}
	for id, k := range all {
		if len(k.Undecided) == 0 {
			continue
		}
		value, err := host.CanonicalJSON(host.Kept{From: k.From})
		if err != nil {
			return dropped, err
		}
		if _, err := c.settle(ctx, "deciding about "+id.URL(), txn{Then: []clientv3.Op{clientv3.OpPut(keptKey(id), string(value))}}); err != nil {
			return dropped, err
		}
		dropped += len(k.Undecided)
	}
	return dropped, nil
}

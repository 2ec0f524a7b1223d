package table

import (
	"container/list"
	"context"
	"strings"
	"sync"

	"github.com/adp-host/adp/host"
)

// cachedStates bounds how many tables, or versions of tables, are kept parsed.
const cachedStates = 256

// states keeps parsed tables by the place of their metadata, those used last.
type states struct {
	mu    sync.Mutex
	order list.List // of *state, newest first
	at    map[place]*list.Element
}

func (c *states) get(at place) *state {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[at]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*state)
}

func (c *states) put(s *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[place]*list.Element{}
	}
	if _, ok := c.at[s.ref]; ok {
		return
	}
	c.at[s.ref] = c.order.PushFront(s)
	for c.order.Len() > cachedStates {
		delete(c.at, c.order.Remove(c.order.Back()).(*state).ref)
	}
}

// state gives the table as of ref.
func (t *Tables) state(ctx context.Context, ref *host.OutputRef) (*state, error) {
	at := place{ref.Metadata, ref.Hash}
	if s := t.states.get(at); s != nil {
		return s, nil
	}
	s, err := t.load(ctx, at)
	if err == nil {
		t.states.put(s)
	}
	return s, err
}

// portName tells ports apart.
type portName struct {
	product host.ProductID
	port    string
}

// indexes are what the package knows of a port's newest rows beyond its files. They describe exactly the table at at.
type indexes struct {
	at   place
	keys *keyIndex            // nil: not built
	dups map[string]*dupIndex // by joined column names
	used int64                // when, in commits of all ports
}

func (x *indexes) rows() int64 {
	n := int64(0)
	if x.keys != nil {
		n += int64(len(x.keys.rows))
	}
	for _, d := range x.dups {
		n += int64(len(d.counts))
	}
	return n
}

// indexCache holds the indexes of ports between stages.
type indexCache struct {
	mu    sync.Mutex
	ports map[portName]*indexes
	clock int64
}

// take hands the indexes of a port to a stage that starts at a table version; fresh ones when others are kept.
func (c *indexCache) take(p portName, at place) *indexes {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.ports[p]
	delete(c.ports, p)
	if x == nil || x.at != at {
		x = &indexes{at: at}
	}
	if x.dups == nil {
		x.dups = map[string]*dupIndex{}
	}
	return x
}

// give keeps indexes for the next stage of the port, as far as limit rows in all ports allow.
func (c *indexCache) give(p portName, x *indexes, limit int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ports == nil {
		c.ports = map[portName]*indexes{}
	}
	c.clock++
	x.used = c.clock
	c.ports[p] = x
	total := int64(0)
	for _, o := range c.ports {
		total += o.rows()
	}
	for total > limit && len(c.ports) > 1 {
		oldest := p
		for n, o := range c.ports {
			if o.used < c.ports[oldest].used {
				oldest = n
			}
		}
		total -= c.ports[oldest].rows()
		delete(c.ports, oldest)
	}
	if total > limit {
		delete(c.ports, p)
	}
}

// joinKey names a list of columns for people, columnsKey for maps.
func joinKey(columns []string) string { return strings.Join(columns, ", ") }

func columnsKey(columns []string) string { return strings.Join(columns, "\x00") }

package run

import (
	"hash/maphash"
	"strings"
)

// keys is a sorted map that remembers: a copy of the value is a snapshot, and edits of one copy never show in another.
// So a run works on its own copy, which becomes the state at the commit or is dropped.
//
// It is a treap whose priorities are a keyed hash of the key (Seidel and Aragon, Randomized Search Trees, 1996); nodes
// are copied before their first change in an edit. The seed is random, so that no guest can choose keys that make the
// tree deep.
type keys struct {
	root  *keyNode
	count int64
	bytes int64 // of keys and values
}

type keyNode struct {
	key         string
	value       []byte // not to be changed
	priority    uint64
	left, right *keyNode
	edit        *edit // that may change the node in place
}

// edit is one series of changes: what it copied once, it changes in place.
type edit struct{ _ byte }

var keySeed = maphash.MakeSeed()

func (e *edit) own(n *keyNode) *keyNode {
	if n.edit == e {
		return n
	}
	c := *n
	c.edit = e
	return &c
}

func (k *keys) get(key string) ([]byte, bool) {
	for n := k.root; n != nil; {
		switch {
		case key < n.key:
			n = n.left
		case key > n.key:
			n = n.right
		default:
			return n.value, true
		}
	}
	return nil, false
}

// put keeps key and value, which must not be changed afterwards.
func (k *keys) put(e *edit, key string, value []byte) {
	if old, ok := k.get(key); ok {
		k.bytes += int64(len(value) - len(old))
	} else {
		k.count++
		k.bytes += int64(len(key) + len(value))
	}
	k.root = insert(e, k.root, key, value)
}

func insert(e *edit, n *keyNode, key string, value []byte) *keyNode {
	if n == nil {
		return &keyNode{key: key, value: value, priority: maphash.String(keySeed, key), edit: e}
	}
	n = e.own(n)
	switch {
	case key < n.key:
		n.left = insert(e, n.left, key, value)
		if n.left.priority > n.priority {
			up := n.left // owned: it was just changed
			n.left, up.right = up.right, n
			return up
		}
	case key > n.key:
		n.right = insert(e, n.right, key, value)
		if n.right.priority > n.priority {
			up := n.right
			n.right, up.left = up.left, n
			return up
		}
	default:
		n.value = value
	}
	return n
}

func (k *keys) remove(e *edit, key string) {
	old, ok := k.get(key)
	if !ok {
		return
	}
	k.count--
	k.bytes -= int64(len(key) + len(old))
	k.root = cut(e, k.root, key)
}

func cut(e *edit, n *keyNode, key string) *keyNode {
	if key == n.key {
		return join(e, n.left, n.right)
	}
	n = e.own(n)
	if key < n.key {
		n.left = cut(e, n.left, key)
	} else {
		n.right = cut(e, n.right, key)
	}
	return n
}

// join makes one tree of two, all keys of a being smaller than those of b.
func join(e *edit, a, b *keyNode) *keyNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a = e.own(a)
		a.right = join(e, a.right, b)
		return a
	default:
		b = e.own(b)
		b.left = join(e, a, b.left)
		return b
	}
}

// scan calls yield in key order for the keys with the prefix that are greater than after, until it returns false.
func (k *keys) scan(prefix, after string, yield func(key string, value []byte) bool) {
	scanNode(k.root, prefix, max(prefix, after), after >= prefix && after != "", yield)
}

// scanNode visits keys from low on, without low itself when open.
func scanNode(n *keyNode, prefix, low string, open bool, yield func(string, []byte) bool) bool {
	if n == nil {
		return true
	}
	if n.key >= low && !scanNode(n.left, prefix, low, open, yield) {
		return false
	}
	if n.key > low || n.key == low && !open {
		if !strings.HasPrefix(n.key, prefix) || !yield(n.key, n.value) {
			return false // keys with the prefix are consecutive
		}
	}
	return scanNode(n.right, prefix, low, open, yield)
}

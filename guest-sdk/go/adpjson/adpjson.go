// Package adpjson keeps Go values in a product's state as JSON. It stands apart because encoding/json makes a small module
// about half a megabyte larger.
package adpjson

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	adp "github.com/adp-host/adp/guest-sdk/go"
)

// Values are the values of one type under one prefix of keys.
type Values[T any] struct {
	p      *adp.Product
	prefix string
}

// Of is the part of the product's state whose keys begin with prefix, as values of T.
func Of[T any](p *adp.Product, prefix string) Values[T] { return Values[T]{p, prefix} }

// Get is the value of a key, and whether there is one. State that is not a T fails the run.
func (s Values[T]) Get(key string) (v T, ok bool) {
	b, ok := s.p.State.Get(s.prefix + key)
	if ok {
		ok = s.read(key, b, &v)
	}
	return v, ok
}

// Put sets the value of a key. A value that JSON cannot hold fails the run.
func (s Values[T]) Put(key string, v T) {
	b, err := json.Marshal(v)
	if err != nil {
		s.p.Fail(fmt.Errorf("state %s%s: %w", s.prefix, key, err))
		return
	}
	s.p.State.Put(s.prefix+key, b)
}

// Delete removes a key.
func (s Values[T]) Delete(key string) { s.p.State.Delete(s.prefix + key) }

// All yields the keys, without the prefix, and their values, in the order of the keys' bytes.
func (s Values[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for k, b := range s.p.State.Scan(s.prefix) {
			var v T
			key := strings.TrimPrefix(k, s.prefix)
			if !s.read(key, b, &v) || !yield(key, v) {
				return
			}
		}
	}
}

func (s Values[T]) read(key string, b []byte, v *T) bool {
	if err := json.Unmarshal(b, v); err != nil {
		s.p.Fail(fmt.Errorf("state %s%s is not a %T: %w", s.prefix, key, *v, err))
		return false
	}
	return true
}

package run

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestKeysAgainstAMap changes a persistent map at random and compares it, and every snapshot taken on the way, with
// what a plain map says.
func TestKeysAgainstAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	type snapshot struct {
		keys
		want map[string][]byte
	}
	var k keys
	want := map[string][]byte{}
	var taken []snapshot
	e := &edit{}
	for range 20_000 {
		key := fmt.Sprint(rng.IntN(500))
		switch rng.IntN(10) {
		case 0:
			taken = append(taken, snapshot{k, maps.Clone(want)})
			e = &edit{} // what was copied belongs to the snapshot now
		case 1, 2, 3:
			k.remove(e, key)
			delete(want, key)
		default:
			v := []byte(fmt.Sprint(rng.IntN(1e6)))
			k.put(e, key, v)
			want[key] = v
		}
		if len(taken) > 50 {
			taken = taken[1:]
		}
	}
	for _, s := range append(taken, snapshot{k, want}) {
		checkKeys(t, &s.keys, s.want)
	}
}

func checkKeys(t *testing.T, k *keys, want map[string][]byte) {
	t.Helper()
	var bytesWanted int64
	for key, v := range want {
		bytesWanted += int64(len(key) + len(v))
		if got, ok := k.get(key); !ok || !bytes.Equal(got, v) {
			t.Fatalf("key %s: %s %v, want %s", key, got, ok, v)
		}
	}
	if k.count != int64(len(want)) || k.bytes != bytesWanted {
		t.Fatalf("%d keys of %d bytes, want %d of %d", k.count, k.bytes, len(want), bytesWanted)
	}
	sorted := slices.Sorted(maps.Keys(want))
	for _, c := range []struct{ prefix, after string }{{"", ""}, {"1", ""}, {"1", "13"}, {"", "250"}, {"12", "9"}, {"49", "495"}} {
		var got, expected []string
		k.scan(c.prefix, c.after, func(key string, _ []byte) bool { got = append(got, key); return true })
		for _, key := range sorted {
			if strings.HasPrefix(key, c.prefix) && key > c.after {
				expected = append(expected, key)
			}
		}
		if !slices.Equal(got, expected) {
			t.Fatalf("scan of %q after %q: %q, want %q", c.prefix, c.after, got, expected)
		}
	}
}

// The empty key is a key: a scan from nothing begins with it.
func TestEmptyKey(t *testing.T) {
	var k keys
	k.put(&edit{}, "", []byte("x"))
	n := 0
	k.scan("", "", func(string, []byte) bool { n++; return true })
	if n != 1 || k.bytes != 1 {
		t.Fatalf("%d keys of %d bytes", n, k.bytes)
	}
}

func TestStateFilesThatAreNot(t *testing.T) {
	good := appendDelete(appendPut([]byte(stateMagic), "k", []byte("value")), "gone")
	var k keys
	if err := applyState(&k, &edit{}, good); err != nil || k.count != 1 {
		t.Fatal(err)
	}
	for cut := 1; cut < len(good)-len(stateMagic); cut++ {
		err := applyState(&keys{}, &edit{}, good[:len(good)-cut])
		if whole := len(good) - cut; err == nil && whole != len(stateMagic)+len("\x01\x01k\x05value") && whole != len(stateMagic) {
			t.Errorf("a file cut at %d was taken", whole)
		}
	}
	for _, b := range []string{"", "x", stateMagic + "\x02\x00", stateMagic + "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if applyState(&keys{}, &edit{}, []byte(b)) == nil {
			t.Errorf("%q was taken", b)
		}
	}
}

func BenchmarkStatePut(b *testing.B) {
	o := newOverlay(keys{}, 1<<40)
	var key [8]byte
	for i := range b.N {
		for j := range key {
			key[j] = byte(i * 7919 >> (j * 4))
		}
		_ = o.set(bytes.Clone(key[:]), key[:])
	}
}

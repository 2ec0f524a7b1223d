package run

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzKeys changes and scans a run's state with keys that a guest chose: it holds what a plain map holds, its sums are
// right, and a scan gives the keys after a place that have a prefix, in order, once.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("aabacadaebbbcbdc\x00\xff\xfe\xff\xff\xff"))
	f.Add([]byte(strings.Repeat("\x00", 40)))
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1000 {
			return // scans of every state on the way
		}
		var k keys
		e, want := &edit{}, map[string][]byte{}
		cut := func(n int) string {
			n = min(n, len(script))
			s := string(script[:n])
			script = script[n:]
			return s
		}
		for len(script) > 0 {
			op := cut(1)[0]
			key := cut(int(op>>4) % 5)
			switch {
			case key == "": // the sandbox refuses an empty key
			case op%4 == 0:
				k.remove(e, key)
				delete(want, key)
			case op%4 == 1:
				checkScan(t, &k, want, key, cut(2))
				e = &edit{}
			default:
				v := []byte(cut(int(op) % 3))
				k.put(e, key, v)
				want[key] = v
			}
		}
		var size int64
		for key, v := range want {
			size += int64(len(key) + len(v))
			if got, ok := k.get(key); !ok || !bytes.Equal(got, v) {
				t.Fatalf("%q is %q, want %q", key, got, v)
			}
		}
		if k.count != int64(len(want)) || k.bytes != size {
			t.Fatalf("%d keys of %d bytes, want %d of %d", k.count, k.bytes, len(want), size)
		}
		checkScan(t, &k, want, "", "")
	})
}

func checkScan(t *testing.T, k *keys, want map[string][]byte, prefix, after string) {
	t.Helper()
	var expected, got []string
	for key := range want {
		if strings.HasPrefix(key, prefix) && (key > after || after == "") {
			expected = append(expected, key)
		}
	}
	slices.Sort(expected)
	k.scan(prefix, after, func(key string, _ []byte) bool { got = append(got, key); return true })
	if !slices.Equal(got, expected) {
		t.Fatalf("prefix %q after %q: %q, want %q", prefix, after, got, expected)
	}
}

package file

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Cursors live in heads, which are canonical JSON: the bytes must survive.
func TestCursorIsCanonicalJSON(t *testing.T) {
	for name, c := range map[string]cursor{
		"empty": {Version: 1},
		"incremental": {Version: 1, Files: 12, Segments: []segment{{Name: "abc-1", Files: 10}},
			Tail: []record{{entry{"a<b>&ü\"\u2028.csv", 1 << 40, 1_700_000_000_123_456_789}, contentHash{1, 2}}}},
		"snapshot": {Version: 1, Files: 1, Listing: "aa", Content: "bb"},
	} {
		raw := c.json()
		canonical, err := host.CanonicalJSON(json.RawMessage(raw))
		if name == "incremental" {
			// encoding/json always escapes U+2028, RFC 8785 never does; both read back alike.
			raw = bytes.ReplaceAll(raw, []byte(`\u2028`), []byte("\u2028"))
		}
		if err != nil || !bytes.Equal(canonical, raw) {
			t.Errorf("%s: %v\n%s\n%s", name, err, raw, canonical)
		}
		mode := drivers.Incremental
		if c.Listing != "" {
			mode = drivers.Snapshot
		}
		back, err := parseCursor(canonical, mode)
		if err != nil || !bytes.Equal(back.json(), c.json()) {
			t.Errorf("%s came back as %s, %v", name, back.json(), err)
		}
	}
}

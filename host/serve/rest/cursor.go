package rest

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/adp-host/adp/host"
)

// cursor is a place in a port's change feed: after everything up to seq After, and after the first Skip rows of seq In.
// Skip 0 means that In is not begun. Clients see it as opaque text.
type cursor struct {
	Port  string   `json:"p"` // domain/product/port: a cursor of one port means nothing for another
	After host.Seq `json:"a"`
	In    host.Seq `json:"i,omitempty"`
	Skip  int64    `json:"s,omitempty"`
}

const cursorPrefix = "c1." // the version of the form

func (c cursor) String() string {
	b, _ := json.Marshal(c) // a struct of strings and integers always encodes
	return cursorPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads what String wrote, for the given port. "" is the beginning of the feed.
func parseCursor(s, port string) (cursor, error) {
	if s == "" {
		return cursor{Port: port}, nil
	}
	bad := host.Errorf(host.CodeAccessCursor, "since=%s is not a cursor of %s", s, port).
		WithHint("pass the value of \"next\" or of the header ADP-Next as it came, or leave since out to begin anew")
	text, ok := strings.CutPrefix(s, cursorPrefix)
	if !ok {
		return cursor{}, bad
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor{}, bad
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil || c.Port != port || c.After < 0 || c.Skip < 0 || c.In < 0 ||
		(c.Skip > 0) != (c.In > 0) || c.In > 0 && c.In <= c.After {
		return cursor{}, bad
	}
	return c, nil
}

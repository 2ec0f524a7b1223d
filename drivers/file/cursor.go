package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/adp-host/adp/drivers"
)

const cursorVersion = 1

// cursor is the position in a source, as it stands in heads: below 2 kB, however many files were read.
//
// Incremental: Files have been read; they are listed in the segments of the ledger and, the newest, in Tail.
// Snapshot: Listing and Content are the version that was read.
//
// Its JSON is in the canonical form of RFC 8785 (members in order, no integer that a double cannot hold), so that a
// cursor which went through a head has the same bytes.
type cursor struct {
	Content  string    `json:"content,omitempty"` // hash of names and contents
	Files    int64     `json:"files"`
	Listing  string    `json:"listing,omitempty"` // hash of names, sizes and times
	Segments []segment `json:"segments,omitempty"`
	Tail     []record  `json:"tail,omitempty"`
	Version  int       `json:"v"`
}

// segment names a part of the ledger.
type segment struct {
	Files int64  `json:"n"`
	Name  string `json:"name"` // the file's name in the ledger; begins with the sha256 of its bytes
}

// record is a file that has been read.
type record struct {
	entry
	hash contentHash
}

// MarshalJSON writes a record as [name, size, mtime, hash]; mtime is text.
func (r record) MarshalJSON() ([]byte, error) {
	return marshal([]any{r.name, r.size, strconv.FormatInt(r.mtime, 10), r.hash.String()}), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *record) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 4 {
		return errors.New("a record has four parts")
	}
	var hash, mtime string
	for i, to := range []any{&r.name, &r.size, &mtime, &hash} {
		if err := json.Unmarshal(parts[i], to); err != nil {
			return err
		}
	}
	var err error
	if r.mtime, err = strconv.ParseInt(mtime, 10, 64); err != nil {
		return err
	}
	var ok bool
	if r.hash, ok = parseHash(hash); !ok {
		return errors.New("a record's hash is damaged")
	}
	return nil
}

// parseCursor reads a cursor of the given mode; nil is the beginning.
func parseCursor(raw json.RawMessage, mode drivers.Mode) (cursor, error) {
	c := cursor{Version: cursorVersion}
	if len(raw) == 0 || string(raw) == "null" {
		return c, nil
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, restart("the cursor is damaged", err)
	}
	if c.Version != cursorVersion {
		return c, restart(fmt.Sprintf("the cursor is of version %d, this driver writes %d", c.Version, cursorVersion), nil)
	}
	if snapshot := c.Listing != ""; snapshot != (mode == drivers.Snapshot) && (snapshot || c.Files > 0) {
		return c, restart("the cursor was written when the source was read in another mode", nil)
	}
	return c, nil
}

func restart(message string, err error) error {
	return &drivers.Error{Kind: drivers.ErrRestart, Message: message, Err: err}
}

func (c cursor) json() json.RawMessage { return marshal(c) }

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings and numbers
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

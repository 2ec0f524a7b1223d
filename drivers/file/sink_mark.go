package file

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/adp-host/adp/drivers"
)

// mark is what a target remembers of a product: the fence, and the newest effect that arrived. It outlives the effects'
// files, which whoever they are for may take away.
type mark struct {
	Product string `json:"product"`
	Epoch   int64  `json:"epoch"`
	Seq     int64  `json:"seq"`
	Ordinal int64  `json:"ordinal"`
}

func (m mark) key(product string) drivers.Key {
	return drivers.Key{Product: product, Seq: m.Seq, Ordinal: m.Ordinal}
}

func (t *target) markName() string { return "." + t.stem + ".delivered" }

// mark reads what is remembered; nothing yet is the zero mark.
func (t *target) mark() (mark, error) {
	m := mark{Product: printable(t.product)}
	b, err := t.root.ReadFile(t.markName())
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	have := mark{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&have); err != nil || have.Product != m.Product {
		return m, &drivers.Error{Kind: drivers.ErrFormat, Origin: t.root.Name() + "/" + t.markName(), Err: err,
			Message: fmt.Sprintf("does not say how far the effects of %s have been delivered", m.Product),
			Hint:    "it was changed by hand: put it back, or remove it if no effect was taken out of the folder"}
	}
	return have, nil
}

func (t *target) setMark(m mark) error {
	return t.replace(t.markName(), func(w *bufio.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(m)
	})
}

// printable is a product's name as JSON keeps it.
func printable(product string) string { return strings.ToValidUTF8(product, "�") }

// effectName is the file of an effect: products do not meet, and within one names sort as effects were written.
func effectName(stem string, k drivers.Key, format string) string {
	return fmt.Sprintf("%s-%016d-%010d.%s", stem, k.Seq, k.Ordinal, format)
}

// maxStem leaves room for numbers and endings within the 255 bytes of a file name.
const maxStem = 180

// fileStem turns a product's name into the beginning of file names: one to one, on file systems too that do not tell
// upper from lower case, and never hidden. "/" becomes ".", what is neither a-z, 0-9, - nor _ becomes %XX. A name that
// is too long keeps its beginning, and goes on with "~" and a hash.
func fileStem(product string) string {
	var b strings.Builder
	for i := range len(product) {
		switch c := product[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_' && i > 0:
			b.WriteByte(c)
		case c == '/' && i > 0:
			b.WriteByte('.')
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() <= maxStem {
		return b.String()
	}
	sum := sha256.Sum256([]byte(product))
	return b.String()[:maxStem-33] + "~" + hex.EncodeToString(sum[:16])
}

package file

import (
	"bytes"
	"io"
)

// csvField is one value of a row. Its bytes are valid until the next row.
type csvField struct {
	b      []byte
	quoted bool
}

// csvRow is one row of a CSV file.
type csvRow struct {
	fields []csvField
	line   int64  // where it begins, 1-based
	raw    []byte // without the line's end
	broken string // why it is no row; fields are then meaningless
}

// csvReader splits text into rows by RFC 4180. It differs from encoding/csv where a file is not clean: a row that
// breaks the quoting costs its own first line and no other, a quote within an unquoted value is text, and every row
// knows its raw text. Blank lines and comments are skipped.
type csvReader struct {
	in        *input
	delimiter byte
	quote     byte // 0: none
	comment   byte // 0: none
	row       csvRow
	scratch   []byte // values whose doubled quotes are undone
}

// next returns the following row, io.EOF after the last. The row is valid until the next call.
func (c *csvReader) next() (*csvRow, error) {
	for {
		raw, next, long, err := c.in.physical()
		if err != nil {
			return nil, err
		}
		c.row = csvRow{fields: c.row.fields[:0], line: c.in.line, raw: raw}
		switch {
		case long:
			c.row.raw = append([]byte(nil), raw[:maxRaw]...)
			c.row.broken = tooLong()
			return &c.row, c.in.skipLong()
		case len(raw) == 0 || c.comment != 0 && raw[0] == c.comment:
			c.in.skip(next, 1)
		case c.quote == 0 || bytes.IndexByte(raw, c.quote) < 0:
			c.split(raw)
			c.in.skip(next, 1)
			return &c.row, nil
		default:
			return &c.row, c.quotedRow()
		}
	}
}

// split cuts a line without quotes.
func (c *csvReader) split(b []byte) {
	for {
		i := bytes.IndexByte(b, c.delimiter)
		if i < 0 {
			c.row.fields = append(c.row.fields, csvField{b: b})
			return
		}
		c.row.fields = append(c.row.fields, csvField{b: b[:i]})
		b = b[i+1:]
	}
}

// quotedRow reads a row that has quotes, over as many lines as it takes.
func (c *csvReader) quotedRow() error {
	for {
		w := c.in.window()
		n, broken, more := c.parse(w)
		if more {
			end := c.in.end
			grown, err := c.in.fill()
			if err != nil {
				return err
			}
			if grown || c.in.end != end { // that nothing follows is news, too
				continue
			}
			broken = "a quoted value does not end"
		}
		if broken == "" && n > maxRow {
			broken = tooLong()
		}
		if broken != "" { // only the first line is lost: what follows may be fine
			first, next, _, err := c.in.physical()
			if err != nil && err != io.EOF {
				return err
			}
			c.row.raw, c.row.broken = first, broken
			c.in.skip(next, 1)
			return nil
		}
		c.row.raw = trimCR(bytes.TrimSuffix(w[:n], []byte("\n")))
		c.in.skip(n, int64(bytes.Count(w[:n], []byte("\n"))))
		return nil
	}
}

// parse reads one row with quotes at the beginning of w. more: the window ends within a quoted value.
func (c *csvReader) parse(w []byte) (n int, broken string, more bool) {
	c.row.fields, c.scratch = c.row.fields[:0], c.scratch[:0]
	i := 0
	for {
		if i < len(w) && w[i] == c.quote {
			value, end := c.unquote(w, i+1)
			if end < 0 {
				return 0, "", true
			}
			c.row.fields = append(c.row.fields, csvField{b: value, quoted: true})
			i = end
		} else {
			end := i
			for end < len(w) && w[end] != c.delimiter && w[end] != '\n' {
				end++
			}
			value := w[i:end]
			if end == len(w) || w[end] == '\n' {
				value = trimCR(value)
			}
			c.row.fields = append(c.row.fields, csvField{b: value})
			i = end
		}
		switch {
		case i == len(w) && !c.in.end:
			return 0, "", true
		case i == len(w):
			return i, "", false
		case w[i] == '\n':
			return i + 1, "", false
		case w[i] == c.delimiter:
			i++
		case w[i] == '\r' && i+1 < len(w) && w[i+1] == '\n':
			return i + 2, "", false
		case w[i] == '\r' && i+1 == len(w):
			return i + 1, "", !c.in.end
		default:
			return 0, "text follows a quoted value", false
		}
	}
}

// unquote reads a quoted value whose text begins at i; end is after the closing quote, -1 when the window has none.
func (c *csvReader) unquote(w []byte, i int) (value []byte, end int) {
	from, copied := i, -1
	for {
		q := bytes.IndexByte(w[i:], c.quote)
		if q < 0 {
			return nil, -1
		}
		q += i
		if q+1 < len(w) && w[q+1] == c.quote {
			if copied < 0 {
				copied = len(c.scratch)
			}
			c.scratch = append(c.scratch, w[from:q+1]...)
			i, from = q+2, q+2
			continue
		}
		if q+1 == len(w) && !c.in.end { // the other half of a doubled quote may follow
			return nil, -1
		}
		if copied < 0 {
			return w[from:q], q + 1
		}
		c.scratch = append(c.scratch, w[from:q]...)
		return c.scratch[copied:], q + 1
	}
}

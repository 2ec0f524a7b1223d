package file

import (
	"bytes"
	"fmt"
	"io"

	"github.com/adp-host/adp/drivers"
)

const (
	// maxRow is the longest row of text: longer ones are rejected, so that a missing newline cannot fill memory.
	maxRow = 4 << 20
	// maxRaw is how much of a rejected row is kept.
	maxRaw = 4 << 10
	// readSize is how much is read from a file at once.
	readSize = 256 << 10
	// minRead is how much room a read must have: small files get small windows.
	minRead = 512
)

// input is the text of a file with the window that is in memory. Positions before the window are forgotten.
type input struct {
	r    io.Reader
	buf  []byte
	from int // buf[from:to] is the window
	to   int
	end  bool  // r has nothing more
	line int64 // of buf[from], 1-based
	max  int   // the window grows to at least this
}

// newInput begins to read text of about the given size.
func newInput(r io.Reader, size int64) *input {
	buf := make([]byte, min(2*readSize, max(size, 0)+minRead))
	return &input{r: r, buf: buf, line: 1, max: maxRow + readSize}
}

// window is what can be looked at; it is valid until fill or skip.
func (in *input) window() []byte { return in.buf[in.from:in.to] }

// fill makes the window larger. It returns false when it is as large as it can be, or nothing is left to read.
func (in *input) fill() (bool, error) {
	if in.end || in.to-in.from >= in.max {
		return false, nil
	}
	if room := min(readSize, len(in.buf)/2); len(in.buf)-in.to < room {
		n := in.to - in.from
		if len(in.buf)-n < room || n > len(in.buf)/2 {
			grown := make([]byte, max(2*len(in.buf), 2*minRead))
			copy(grown, in.window())
			in.buf = grown
		} else {
			copy(in.buf, in.window())
		}
		in.from, in.to = 0, n
	}
	for {
		n, err := in.r.Read(in.buf[in.to:])
		in.to += n
		if err == io.EOF {
			in.end = true
			return n > 0, nil
		}
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
}

// skip moves the window's beginning past n bytes that hold the given number of newlines.
func (in *input) skip(n int, newlines int64) {
	in.from += n
	in.line += newlines
}

// physical gives the line at the window's beginning, without its end. next is where the following line begins in the
// window. long: the line does not end within maxRow, raw is its beginning; skipLong moves past it.
func (in *input) physical() (raw []byte, next int, long bool, err error) {
	seen := 0
	for {
		w := in.window()
		if nl := bytes.IndexByte(w[seen:], '\n'); nl >= 0 {
			nl += seen
			return trimCR(w[:nl]), nl + 1, nl > maxRow, nil
		}
		if seen = len(w); seen > maxRow {
			return w, 0, true, nil
		}
		more, err := in.fill()
		if err != nil {
			return nil, 0, false, err
		}
		if !more {
			if w = in.window(); len(w) == 0 {
				return nil, 0, false, io.EOF
			}
			return trimCR(w), len(w), len(w) > maxRow, nil
		}
	}
}

// skipLong moves past a line that physical called long.
func (in *input) skipLong() error {
	for {
		w := in.window()
		if nl := bytes.IndexByte(w, '\n'); nl >= 0 {
			in.skip(nl+1, 1)
			return nil
		}
		in.skip(len(w), 0)
		if more, err := in.fill(); err != nil || !more {
			return err
		}
	}
}

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// skipBOM skips the byte order mark of UTF-8 and refuses text of another encoding that can be told by its mark.
func (in *input) skipBOM() error {
	for more := true; more && in.to-in.from < 3; { // a decompressor may give a byte at a time
		var err error
		if more, err = in.fill(); err != nil {
			return err
		}
	}
	w := in.window()
	switch {
	case bytes.HasPrefix(w, []byte("\xef\xbb\xbf")):
		in.skip(3, 0)
	case bytes.HasPrefix(w, []byte("\xff\xfe")), bytes.HasPrefix(w, []byte("\xfe\xff")):
		return &drivers.Error{Kind: drivers.ErrFormat, Message: "is UTF-16 text", Hint: "save it as UTF-8"}
	}
	return nil
}

// tooLong is the reason of a row beyond maxRow.
func tooLong() string { return fmt.Sprintf("is longer than %d MiB", maxRow>>20) }

// rawText is a row as it is kept with its rejection.
func rawText(b []byte) string { return string(b[:min(len(b), maxRaw)]) }

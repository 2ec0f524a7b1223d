package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Outbox and recorded files are a magic, then frames: a header in JSON and, where rows belong to it, one Arrow IPC
// stream with one batch. Each of the two is preceded by its length as uvarint; 0 for no rows. The host writes them and
// reads them back only when the hash in their reference fits.
const framesMagic = "ADPFRAMES\x01"

// FrameKind says what a Frame is about.
type FrameKind string

const (
	FrameWrite  FrameKind = "write"  // outbox: rows for a binding
	FrameRead   FrameKind = "read"   // recorded: a binding was opened; the frames FrameRows with its Call follow
	FrameRows   FrameKind = "rows"   // recorded: rows that were read
	FrameEnd    FrameKind = "end"    // recorded: the read was complete
	FrameDecide FrameKind = "decide" // recorded: a policy question and its answer
	FrameInput  FrameKind = "input"  // recorded: the batch boundaries of an input that came in more than one batch
)

// Frame is one entry of an outbox or a recorded file.
type Frame struct {
	Kind    FrameKind       `json:"kind"`
	Ordinal int64           `json:"ordinal,omitempty"` // outbox: with product and seq the idempotency key, from 1
	URI     string          `json:"uri,omitempty"`     // outbox: where the binding led when it was written
	Options host.Options    `json:"options,omitempty"` // outbox: and its options then
	Call    int64           `json:"call,omitempty"`    // recorded: numbers the guest's reads, from 1
	Binding string          `json:"binding,omitempty"`
	Input   string          `json:"input,omitempty"`
	Batches []int64         `json:"batches,omitempty"` // rows of each batch
	Request json.RawMessage `json:"request,omitempty"`
	Answer  json.RawMessage `json:"answer,omitempty"`

	Record arrow.RecordBatch `json:"-"` // the receiver releases it
}

// frames writes such a file, which comes into being with the first frame.
type frames struct {
	store drivers.Store
	name  string
	f     *file
}

// add writes a frame. The frame stays the caller's.
func (w *frames) add(ctx context.Context, fr Frame) error {
	if w.f == nil {
		f, err := createFile(ctx, w.store, w.name)
		if err != nil {
			return err
		}
		w.f = f
		if _, err := f.Write([]byte(framesMagic)); err != nil {
			return err
		}
	}
	header, err := json.Marshal(fr)
	if err != nil {
		return err
	}
	var rows bytes.Buffer
	if fr.Record != nil {
		iw := ipc.NewWriter(&rows, ipc.WithSchema(fr.Record.Schema()))
		if err := iw.Write(fr.Record); err != nil {
			return fmt.Errorf("frame: %w", err)
		}
		if err := iw.Close(); err != nil {
			return fmt.Errorf("frame: %w", err)
		}
		w.f.rows += fr.Record.NumRows()
	}
	b := binary.AppendUvarint(nil, uint64(len(header)))
	b = append(b, header...)
	b = binary.AppendUvarint(b, uint64(rows.Len()))
	if _, err := w.f.Write(b); err != nil {
		return err
	}
	_, err = w.f.Write(rows.Bytes())
	return err
}

// close completes the file; nil when nothing was written.
func (w *frames) close() (*host.FileRef, error) {
	if w.f == nil {
		return nil, nil
	}
	ref, err := w.f.close()
	return &ref, err
}

// ReadFrames reads an outbox or a recorded file, one frame in memory at a time, after its hash has been verified. Errors
// are of code T004.
func ReadFrames(ctx context.Context, s drivers.Store, ref host.FileRef) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		f, err := openVerified(ctx, s, ref)
		if err != nil {
			yield(Frame{}, err)
			return
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 64<<10)
		magic := make([]byte, len(framesMagic))
		if _, err := io.ReadFull(r, magic); err != nil || string(magic) != framesMagic {
			yield(Frame{}, host.Errorf(host.CodeTableDamaged, "%s is not a file of frames", ref.Location))
			return
		}
		for {
			if _, err := r.Peek(1); err == io.EOF {
				return
			}
			fr, err := readFrame(r, f.Size())
			if err != nil {
				yield(Frame{}, host.Errorf(host.CodeTableDamaged, "%s: %w", ref.Location, err))
				return
			}
			if !yield(fr, nil) {
				return
			}
		}
	}
}

func readFrame(r *bufio.Reader, most int64) (Frame, error) {
	var fr Frame
	header, err := readPiece(r, most)
	if err != nil {
		return fr, err
	}
	if err := json.Unmarshal(header, &fr); err != nil {
		return fr, err
	}
	rows, err := readPiece(r, most)
	if err != nil || len(rows) == 0 {
		return fr, err
	}
	ir, err := ipc.NewReader(bytes.NewReader(rows))
	if err != nil {
		return fr, err
	}
	defer ir.Release()
	if !ir.Next() {
		return fr, fmt.Errorf("a frame without its rows: %w", ir.Err())
	}
	fr.Record = ir.RecordBatch()
	fr.Record.Retain()
	return fr, nil
}

// readPiece reads a length of at most most bytes, and so many bytes.
func readPiece(r *bufio.Reader, most int64) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > uint64(most) {
		return nil, fmt.Errorf("a frame is cut")
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

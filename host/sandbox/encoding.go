package sandbox

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/arrowtext"
	"github.com/adp-host/adp/host"
)

// columnsAt is where the root struct of a batch in columns lies: address 0 means that there is nothing.
const columnsAt = abi.Alignment

// textCost is the fuel that a byte of rows costs, to write it or to read it.
const textCost = 8

// encode writes a batch of an input for a plug-in. The result is good until the next.
func (i *Instance) encode(encoding string, input int, rec arrow.RecordBatch) ([]byte, error) {
	p := &i.plugin
	if encoding == host.Columns {
		w := i.inputs[input]
		n, err := w.Plan(rec)
		if err != nil {
			return nil, err
		}
		if p.text = p.text[:0]; int64(cap(p.text)) < columnsAt+n {
			p.text = make([]byte, 0, columnsAt+n)
		}
		p.text = p.text[:columnsAt+n]
		clear(p.text)
		w.Write(p.text, columnsAt)
		return p.text, nil
	}
	out := bytes.NewBuffer(p.text[:0])
	w := arrowtext.NewJSONLines(out)
	if encoding == host.JSON {
		w = arrowtext.NewJSONArray(out, "[", "]")
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		return nil, err
	}
	p.text = out.Bytes()
	i.meter.charge(int64(len(p.text)) * textCost)
	return p.text, nil
}

// decode reads what a plug-in wrote as a batch of its output. Nothing at all is no rows.
func (i *Instance) decode(encoding string, answer []byte) (arrow.RecordBatch, error) {
	if len(answer) == 0 || len(i.outputs) == 0 {
		return nil, nil
	}
	room := i.limits.Output - i.usage.BytesOut
	tooMuch := func() error {
		return host.Errorf(host.CodeGuestOutput, "the guest emitted more than its output limit of %s", size(i.limits.Output)).WithHint("raise limits.output")
	}
	if int64(len(answer)) > room {
		return nil, tooMuch()
	}
	port := "output " + i.spec.Product.Outputs[0].Name
	if encoding == host.Columns {
		rec, status := i.takeColumns(port, answer)
		if status != abi.OK {
			return nil, i.failure
		}
		return rec, nil
	}
	i.meter.charge(int64(len(answer)) * textCost)
	if encoding == host.JSON {
		lines, err := linesOf(answer)
		if err != nil {
			return nil, host.Errorf(host.CodeGuestBatch, "%s: %w", port, err)
		}
		answer = lines
	}
	if i.rows == nil {
		return nil, host.Errorf(host.CodeGuestBatch, "%s: this host reads no rows from plug-ins", port)
	}
	rec, err := i.rows(i.spec.Outputs[0], answer, min(room, i.limits.Memory))
	if err != nil {
		return nil, i.badRow(port, err, tooMuch)
	}
	i.usage.BytesOut += util.TotalRecordSize(rec)
	return rec, nil
}

// badRow says which row of an output is wrong.
func (i *Instance) badRow(port string, err error, tooMuch func() error) error {
	var e *drivers.Error
	if !errors.As(err, &e) {
		return host.Errorf(host.CodeGuestBatch, "%s: %w", port, err)
	}
	if errors.Is(err, drivers.ErrExceeded) {
		return tooMuch()
	}
	return host.Errorf(host.CodeGuestBatch, "%s: row %d of the plug-in's answer %s", port, e.Line, e.Message).
		WithHint("the contract of the output says what each column is")
}

// takeColumns copies a batch in columns out of an answer, by the same checks as batches of native guests.
func (i *Instance) takeColumns(port string, answer []byte) (arrow.RecordBatch, abi.Status) {
	return i.takeFrom(port, i.outputs[0], answer, columnsAt)
}

// linesOf makes of an array of objects a line for each. Line ends within the array are spaces.
func linesOf(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return nil, fmt.Errorf("the answer is not an array of objects")
	}
	var (
		out    = make([]byte, 0, len(text))
		depth  int
		quoted bool
		began  bool // an element
		ended  bool
	)
	text = text[1 : len(text)-1]
	for n := 0; n < len(text); n++ {
		c := text[n]
		switch {
		case quoted:
			if c == '\\' && n+1 < len(text) {
				out = append(out, c)
				n++
				c = text[n]
			} else if c == '"' {
				quoted = false
			}
		case c == '\n' || c == '\r' || c == '\t':
			c = ' '
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			if !began {
				return nil, fmt.Errorf("the answer has a comma without an object before it")
			}
			c, began, ended = '\n', false, true
		}
		if c != ' ' && c != '\n' {
			began = true
		}
		if quoted && (c == '\n' || c == '\r') {
			return nil, fmt.Errorf("the answer has a line end within a text")
		}
		out = append(out, c)
	}
	if quoted || depth != 0 || ended && !began {
		return nil, fmt.Errorf("the answer is not an array of objects")
	}
	return out, nil
}

package sandbox

import (
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

// maxReaders bounds what a guest reads at the same time.
const maxReaders = 64

// bindings are the drivers of a product and what its guest reads of them.
type bindings struct {
	layouts []*cdata.Layout
	takers  map[uint32]*cdata.Reader
	readers map[uint32]*reader
	last    uint32 // number of the newest reader; 0 is none
}

// reader is an open read.
type reader struct {
	source  drivers.Reader
	writer  *cdata.Writer
	pending arrow.RecordBatch // read, planned and too large for the guest's buffer
	size    int64             // of pending
}

func (r *reader) close() error {
	if r.pending != nil {
		r.pending.Release()
		r.pending = nil
	}
	return r.source.Close()
}

// close ends all reads.
func (b *bindings) close() error {
	var errs []error
	for id, r := range b.readers {
		errs = append(errs, r.close())
		delete(b.readers, id)
	}
	return errors.Join(errs...)
}

// binding checks that the product has the binding with that access.
func (i *Instance) binding(n uint32, access string) abi.Status {
	switch all := i.spec.Product.Bindings; {
	case int64(n) >= int64(len(all)) || int64(n) >= int64(len(i.bindings.layouts)):
		return abi.NotFound
	case all[n].Access != access:
		return abi.Denied
	}
	return abi.OK
}

// driverOpen is adp_v1.driver_open(binding i32, request i32, request_len i32) → i64 reader > 0. NotFound (no such
// binding), Denied (a binding to write), TooLarge, OutOfBounds, LimitExceeded (readers), NotNow, DriverError.
func (i *Instance) driverOpen(stack []uint64) {
	n := uint32(stack[0])
	status := i.effective()
	if status == abi.OK {
		status = i.binding(n, "read")
	}
	var request []byte
	if status == abi.OK {
		request, status = i.request(stack[1], stack[2])
	}
	if status == abi.OK && len(i.bindings.readers) >= maxReaders {
		i.fail(host.Errorf(host.CodeGuestCallLimit, "the guest reads more than %d drivers at the same time", maxReaders))
		status = abi.LimitExceeded
	}
	if status != abi.OK {
		stack[0] = negated(status)
		return
	}
	ctx, cancel := i.bounded()
	defer cancel()
	var source drivers.Reader
	err := i.apart(func() (err error) {
		source, err = i.calls.DriverOpen(ctx, int(n), request)
		return err
	})
	if err != nil {
		i.failHost(err)
		stack[0] = negated(abi.DriverError)
		return
	}
	b := &i.bindings
	if b.readers == nil {
		b.readers = map[uint32]*reader{}
	}
	b.last++
	b.readers[b.last] = &reader{source: source, writer: b.layouts[n].NewWriter()}
	stack[0] = uint64(b.last)
}

// request reads a request of at most abi.MaxRequest bytes. The result is a copy.
func (i *Instance) request(ptr, length uint64) ([]byte, abi.Status) {
	if uint32(length) == 0 {
		return nil, abi.OK
	}
	return i.key(ptr, length, abi.MaxRequest)
}

// driverNext is adp_v1.driver_next(reader i32, buf i32, cap i32) → i64: the bytes of the next batch, its root ArrowArray
// at buf; more than cap when it does not fit, and the same batch comes again; 0 when there is no more. NotFound (no such
// reader), OutOfBounds, Misaligned, NotNow, DriverError.
func (i *Instance) driverNext(stack []uint64) {
	status := i.effective()
	r := i.bindings.readers[uint32(stack[0])]
	var buf []byte
	if status == abi.OK {
		buf, status = i.buffer(stack[1], stack[2])
	}
	switch {
	case status != abi.OK:
	case r == nil:
		status = abi.NotFound
	case len(buf) > 0 && uint32(stack[1])%abi.Alignment != 0:
		i.fail(host.Errorf(host.CodeGuestABI, "the guest gave %s a buffer at %d, which is not aligned to %d", abi.ImportDriverNext, uint32(stack[1]), abi.Alignment))
		status = abi.Misaligned
	default:
		if err := i.apart(func() error { return i.fetch(r) }); err != nil {
			i.failHost(err)
			status = abi.DriverError
		}
	}
	switch {
	case status != abi.OK:
		stack[0] = negated(status)
	case r.pending == nil:
		stack[0] = 0
	case r.size > int64(len(buf)):
		stack[0] = uint64(r.size)
	default:
		r.writer.Write(i.mem.bytes(), uint32(stack[1]))
		r.pending.Release()
		r.pending = nil
		i.usage.BytesIn += r.size
		i.meter.chargeBytes(r.size)
		i.meter.charge(int64(r.writer.Arrays()) * arrayCost)
		stack[0] = uint64(r.size)
	}
}

// fetch reads until there is a batch with rows, or no more.
func (i *Instance) fetch(r *reader) error {
	ctx, cancel := i.bounded()
	defer cancel()
	for r.pending == nil {
		batch, err := r.source.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if batch.Record.NumRows() == 0 {
			batch.Record.Release()
			continue
		}
		if r.size, err = r.writer.Plan(batch.Record); err != nil {
			batch.Record.Release()
			return host.Errorf(host.CodeDriverSchema, "what the driver read does not fit the binding: %w", err)
		}
		r.pending = batch.Record
	}
	return nil
}

// driverClose is adp_v1.driver_close(reader i32) → OK, NotFound, DriverError.
func (i *Instance) driverClose(stack []uint64) {
	id := uint32(stack[0])
	r := i.bindings.readers[id]
	if r == nil {
		stack[0] = uint64(abi.NotFound)
		return
	}
	delete(i.bindings.readers, id)
	stack[0] = uint64(abi.OK)
	if err := r.close(); err != nil {
		i.failHost(err)
		stack[0] = uint64(abi.DriverError)
	}
}

// driverWrite is adp_v1.driver_write(binding i32, array i32) → status, as emit, and Denied for a binding to read.
func (i *Instance) driverWrite(stack []uint64) {
	n := uint32(stack[0])
	stack[0] = uint64(i.writeBatch(n, uint32(stack[1])))
}

func (i *Instance) writeBatch(n, array uint32) abi.Status {
	if status := i.effective(); status != abi.OK {
		return status
	}
	if status := i.binding(n, "write"); status != abi.OK {
		return status
	}
	b := &i.bindings
	if b.takers == nil {
		b.takers = map[uint32]*cdata.Reader{}
	}
	if b.takers[n] == nil {
		b.takers[n] = b.layouts[n].NewReader()
	}
	rec, status := i.take("binding "+i.spec.Product.Bindings[n].Name, b.takers[n], array)
	if rec == nil {
		return status
	}
	defer rec.Release()
	ctx, cancel := i.bounded()
	defer cancel()
	if err := i.apart(func() error { return i.calls.DriverWrite(ctx, int(n), rec) }); err != nil {
		i.failHost(err)
		return abi.DriverError
	}
	return abi.OK
}

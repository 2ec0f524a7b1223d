package sandbox

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

// openBlock is what adp_open receives, laid out behind one another:
//
//	| header | inputs port[] | outputs port[] | bindings port[] | names | schemas |
type openBlock struct {
	flags uint32
	ports [3][]openPort // inputs, outputs, bindings
}

type openPort struct {
	name   string
	mode   uint32
	schema *arrow.Schema
}

// openBlock describes the instance's ports.
func (i *Instance) openBlock() *openBlock {
	b := &openBlock{}
	if i.spec.Rebuild {
		b.flags = abi.OpenRebuild
	}
	p := i.spec.Product
	for n, s := range i.spec.Inputs {
		mode := abi.ModeIncremental
		if p.Inputs[n].Mode == host.Snapshot {
			mode = abi.ModeSnapshot
		}
		b.ports[0] = append(b.ports[0], openPort{p.Inputs[n].Name, mode, s})
	}
	for n, s := range i.spec.Outputs {
		mode := abi.ModeAppend
		switch p.Outputs[n].Mode {
		case host.Upsert:
			mode = abi.ModeUpsert
		case host.Replace:
			mode = abi.ModeReplace
		}
		b.ports[1] = append(b.ports[1], openPort{p.Outputs[n].Name, mode, s})
	}
	for n, s := range i.spec.Bindings {
		mode := abi.ModeRead
		if p.Bindings[n].Access == "write" {
			mode = abi.ModeWrite
		}
		b.ports[2] = append(b.ports[2], openPort{p.Bindings[n].Name, mode, s})
	}
	return b
}

// size is what the block takes, wherever it is.
func (b *openBlock) size() int64 { return int64(len(b.image(0))) }

// write lays the block down at base.
func (b *openBlock) write(mem []byte, base uint32) { copy(mem[base:], b.image(base)) }

// image is the block as it is at base.
func (b *openBlock) image(base uint32) []byte {
	le := binary.LittleEndian
	out := make([]byte, abi.OpenSize)
	le.PutUint32(out[abi.OpenVersion:], abi.Version)
	le.PutUint32(out[abi.OpenFlags:], b.flags)
	var tables [3]int
	for n, places := range [3][2]int{{abi.OpenNInputs, abi.OpenInputs}, {abi.OpenNOutputs, abi.OpenOutputs}, {abi.OpenNBindings, abi.OpenBindings}} {
		tables[n] = len(out)
		if len(b.ports[n]) == 0 {
			continue
		}
		le.PutUint32(out[places[0]:], uint32(len(b.ports[n])))
		le.PutUint32(out[places[1]:], base+uint32(len(out)))
		out = append(out, make([]byte, abi.PortSize*len(b.ports[n]))...)
	}
	for n := range b.ports {
		for k, p := range b.ports[n] {
			at := tables[n] + k*abi.PortSize
			le.PutUint32(out[at+abi.PortName:], base+uint32(len(out)))
			le.PutUint32(out[at+abi.PortNameLen:], uint32(len(p.name)))
			le.PutUint32(out[at+abi.PortMode:], p.mode)
			out = append(out, p.name...)
			var schema uint32
			out, schema = cdata.AppendSchema(out, base, p.schema)
			le.PutUint32(out[at+abi.PortSchema:], schema)
		}
	}
	return out
}

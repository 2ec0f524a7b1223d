package clause

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// Product is the subject that a module is with the ports and settings of its product, and rows for its inputs where there are any.
func Product(p *host.Product, module []byte, rows map[string][]arrow.RecordBatch) (Subject, error) {
	s := Subject{Module: module, Rows: map[string][]abitest.Row{}, Spec: abitest.Spec{Config: p.Config}}
	for i := range p.Inputs {
		if err := s.input(&p.Inputs[i], rows[p.Inputs[i].Name]); err != nil {
			return s, err
		}
	}
	modes := map[host.OutputMode]uint32{host.Append: abi.ModeAppend, host.Upsert: abi.ModeUpsert, host.Replace: abi.ModeReplace}
	for i := range p.Outputs {
		o := &p.Outputs[i]
		schema, err := columnar.Emitted(o)
		if err == nil {
			schema, err = columnar.Crossing(schema, o.Schema.Fields, o.Forms)
		}
		if err == nil {
			err = add(&s.Spec.Outputs, o.Name, modes[o.Mode], schema)
		}
		if err != nil {
			return s, err
		}
	}
	access := map[string]uint32{"read": abi.ModeRead, "write": abi.ModeWrite}
	for _, b := range p.Bindings {
		schema, err := columnar.Schema(b.Schema)
		if err == nil {
			schema, err = columnar.Crossing(schema, b.Schema.Fields, b.Forms)
		}
		if err == nil {
			err = add(&s.Spec.Bindings, b.Name, access[b.Access], schema)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// input adds an input, and its rows in the form in which they cross.
func (s *Subject) input(in *host.Input, rows []arrow.RecordBatch) error {
	schema, err := columnar.Schema(in.Schema)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		schema = rows[0].Schema() // with the reserved columns of a change feed
	}
	if schema, err = columnar.Crossing(schema, in.Schema.Fields, in.Forms); err != nil {
		return err
	}
	mode := abi.ModeIncremental
	if in.Mode == host.Snapshot {
		mode = abi.ModeSnapshot
	}
	if err := add(&s.Spec.Inputs, in.Name, mode, schema); err != nil {
		return err
	}
	for _, b := range rows {
		crossed, err := columnar.Convert(b, schema)
		if err != nil {
			return err
		}
		s.Rows[in.Name] = append(s.Rows[in.Name], fromArrow(crossed)...)
		crossed.Release()
	}
	s.Rows[in.Name] = s.Rows[in.Name][:min(len(s.Rows[in.Name]), mostRows)]
	return nil
}

// mostRows is how many rows of an input are fed: many runs see all of them.
const mostRows = 5000

func add(to *[]abitest.Port, name string, mode uint32, schema *arrow.Schema) error {
	fields, err := fieldsOf(schema.Fields())
	*to = append(*to, abitest.Port{Name: name, Mode: mode, Fields: fields})
	return err
}

// Reference is the subject that a module is which claims to be the reference product of an SDK.
func Reference(module []byte) Subject {
	return Subject{Module: module, Spec: abitest.ProductRun(), Rows: abitest.ProductRows()}
}

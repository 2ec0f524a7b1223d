package clause

import (
	"encoding/json"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// Product is the subject that a module is with the ports and settings of its product, and rows for its inputs where there are any.
func Product(p *host.Product, module []byte, rows map[string][]arrow.RecordBatch) (Subject, error) {
	s := Subject{Module: module, Rows: map[string][]abitest.Row{}, Spec: abitest.Spec{Config: p.Config}, ports: &ports{code: p.Code}}
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
			err = add(&s.Spec.Outputs, &s.ports.outputs, abitest.Port{Name: o.Name, Mode: modes[o.Mode]}, schema, o.Schema, o.Forms)
		}
		if err != nil {
			return s, err
		}
	}
	access := map[string]uint32{"read": abi.ModeRead, "write": abi.ModeWrite}
	for _, b := range p.Bindings {
		schema, err := columnar.Schema(b.Schema)
		if err == nil {
			err = add(&s.Spec.Bindings, &s.ports.bindings, abitest.Port{Name: b.Name, Mode: access[b.Access]}, schema, b.Schema, b.Forms)
		}
		if err != nil {
			return s, err
		}
	}
	if p.Compute() != nil {
		s.Spec.Read = answers(s.Spec.Bindings)
	}
	return s, nil
}

// answers are made-up rows for what a guest asks of compute drivers, in batches that grow.
func answers(bindings []abitest.Port) func(binding string, request []byte) ([][]abitest.Row, error) {
	return func(binding string, request []byte) (batches [][]abitest.Row, err error) {
		at := slices.IndexFunc(bindings, func(b abitest.Port) bool { return b.Name == binding })
		var asked host.Statement
		if err := json.Unmarshal(request, &asked); err != nil || asked.Text == "" {
			return nil, host.Errorf(host.CodeDriverStatement, "binding %s: the request %.80q is no statement", binding, request)
		}
		fields := bindings[at].Fields
		op := slices.IndexFunc(fields, func(f abitest.Field) bool { return f.Name == abi.ColumnOp })
		for i, n := range []int{1, 3, 60, 700} {
			rows := abitest.RandomRows(fields, n, 0.3, uint64(16*at+i))
			for _, r := range rows {
				tame(r)
				if op >= 0 {
					r[op] = nil
				}
			}
			batches = append(batches, rows)
		}
		return batches, nil
	}
}

// input adds an input and its rows.
func (s *Subject) input(in *host.Input, rows []arrow.RecordBatch) error {
	schema, err := columnar.Schema(in.Schema)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		schema = rows[0].Schema() // with the reserved columns of a change feed
	}
	mode := abi.ModeIncremental
	if in.Mode == host.Snapshot {
		mode = abi.ModeSnapshot
	}
	if err := add(&s.Spec.Inputs, &s.ports.inputs, abitest.Port{Name: in.Name, Mode: mode}, schema, in.Schema, in.Forms); err != nil {
		return err
	}
	if _, _, product := in.Upstream(host.LocalTenant); product && in.Mode == host.Incremental && len(rows) == 0 {
		s.feeds = append(s.feeds, len(s.Spec.Inputs)-1)
	}
	for _, b := range rows {
		s.Rows[in.Name] = append(s.Rows[in.Name], fromArrow(b)...)
	}
	s.Rows[in.Name] = s.Rows[in.Name][:min(len(s.Rows[in.Name]), mostRows)]
	return nil
}

// mostRows is how many rows of an input are fed: many runs see all of them.
const mostRows = 5000

// add adds a port, and how it crosses.
func add(to *[]abitest.Port, crossings *[]crossing, port abitest.Port, schema *arrow.Schema, stored host.Schema, forms host.Forms) error {
	guest, err := columnar.Crossing(schema, stored.Fields, forms)
	if err != nil {
		return err
	}
	port.Fields, err = fieldsOf(schema.Fields())
	*to, *crossings = append(*to, port), append(*crossings, crossing{schema, guest})
	return err
}

// withChanges is the subject with the columns of a change feed in those inputs that may be one: whether they are is for the product to
// say that they come from. It gives false when there are none.
func (s Subject) withChanges() (Subject, bool) {
	if len(s.feeds) == 0 {
		return s, false
	}
	ports := *s.ports
	ports.inputs = slices.Clone(ports.inputs)
	s.Spec.Inputs = slices.Clone(s.Spec.Inputs)
	for _, i := range s.feeds {
		c, in := &ports.inputs[i], &s.Spec.Inputs[i]
		plain := columnar.WithChanges(c.plain)
		if c.formed() {
			c.guest = columnar.WithChanges(c.guest)
		} else {
			c.guest = plain
		}
		c.plain = plain
		in.Fields = append(slices.Clone(in.Fields), abitest.Field{Name: abi.ColumnOp, Format: "u"}, abitest.Field{Name: abi.ColumnSeq, Format: "l"})
	}
	s.ports, s.feeds = &ports, nil
	return s, true
}

// Reference is the subject that a module is which claims to be the reference product of an SDK.
func Reference(module []byte) Subject {
	return Subject{Module: module, Spec: abitest.ProductRun(), Rows: abitest.ProductRows()}
}

package node

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
)

// fixturePages are the columns of a fixture that stands for a part of the web: what is answered where url is asked for. The others may be null:
// 200, no headers, no body.
var fixturePages = arrow.NewSchema([]arrow.Field{
	{Name: "url", Type: arrow.BinaryTypes.String}, {Name: grant.Status, Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: grant.Headers, Type: arrow.BinaryTypes.String, Nullable: true}, {Name: grant.Body, Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// page answers a request for a page with a row of the binding's fixture: a test asks nobody.
func (x fixtureBindings) page(ctx context.Context, binding string, r drivers.Request) (_ drivers.Reader, err error) {
	var ask grant.Request
	if err := json.Unmarshal([]byte(r.Options["request"]), &ask); err != nil {
		return nil, host.Errorf(host.CodeDriverFormat, "binding %s: %w", binding, err)
	}
	missing := host.Errorf(host.CodeBuildTest, "the fixtures have no answer to a request for %s", ask.URL).
		WithHint("write a line of it into testdata/in/%s.ndjson, as in {\"url\":%q,\"status\":200,\"body\":\"…\"}", binding, ask.URL)
	uri := x.f.Files[binding]
	if uri == "" {
		return nil, missing
	}
	rows, err := x.read(ctx, uri, fixturePages, host.Options{file.OptionQuiet: "0s"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for {
		b, err := rows.Next(ctx)
		switch {
		case isEOF(err):
			return nil, missing
		case err != nil:
			return nil, err
		case len(b.Rejected) > 0:
			b.Record.Release()
			bad := b.Rejected[0]
			return nil, host.Errorf(host.CodeBuildTest, "%s: line %d: %s", bad.Origin, bad.Line, bad.Reason)
		}
		answer := pageOf(b.Record, ask)
		b.Record.Release()
		if answer != nil {
			return &remembered{rows: answer}, nil
		}
	}
}

// pageOf is the answer among the rows of a fixture, nil where they have none.
func pageOf(rows arrow.RecordBatch, ask grant.Request) arrow.RecordBatch {
	text := func(column, row int) string {
		if rows.Column(column).IsNull(row) {
			return ""
		}
		return rows.Column(column).(*array.String).Value(row)
	}
	for n := range int(rows.NumRows()) {
		if text(0, n) != ask.URL {
			continue
		}
		status, headers, body := int32(200), text(2, n), text(3, n)
		if c := rows.Column(1).(*array.Int32); c.IsValid(n) {
			status = c.Value(n)
		}
		if headers == "" {
			headers = "{}"
		}
		if ask.Method == "HEAD" {
			body = ""
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
			{Name: grant.Status, Type: arrow.PrimitiveTypes.Int32}, {Name: grant.Headers, Type: arrow.BinaryTypes.String}, {Name: grant.Body, Type: arrow.BinaryTypes.Binary},
		}, nil))
		defer b.Release()
		b.Field(0).(*array.Int32Builder).Append(status)
		b.Field(1).(*array.StringBuilder).Append(headers)
		b.Field(2).(*array.BinaryBuilder).Append([]byte(body))
		return b.NewRecordBatch()
	}
	return nil
}

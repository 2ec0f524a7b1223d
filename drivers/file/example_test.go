package file_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
)

// A folder is read once, then only what is new. A row that does not parse is set aside.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	put("1990.csv", "Strike ID,airport\n1,LAX\ntwo,JFK\n3,\n")

	ctx := context.Background()
	d, err := file.New(file.Config{})
	if err != nil {
		panic(err)
	}
	request := drivers.Request{
		URI: "file:" + dir,
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "strike_id", Type: arrow.PrimitiveTypes.Int64},
			{Name: "airport", Type: arrow.BinaryTypes.String, Nullable: true},
		}, nil),
		Mode:    drivers.Incremental,
		Options: map[string]string{file.OptionQuiet: "0s"}, // nobody is writing any more
	}
	read := func() {
		r, err := d.Open(ctx, request)
		if err != nil {
			panic(err)
		}
		defer r.Close()
		for {
			b, err := r.Next(ctx)
			if err == io.EOF {
				request.Cursor = r.Cursor()
				return
			}
			if err != nil {
				panic(err)
			}
			fmt.Printf("%s: %d rows\n", b.Origin, b.Record.NumRows())
			for _, bad := range b.Rejected {
				fmt.Printf("%s:%d: %s %s\n", bad.Origin, bad.Line, bad.Column, bad.Reason)
			}
			b.Record.Release()
		}
	}
	read()
	put("1991.csv", "Strike ID,airport\n4,SFO\n")
	read()
	// Output:
	// 1990.csv: 2 rows
	// 1990.csv:3: strike_id "two" is not an int64
	// 1991.csv: 1 rows
}

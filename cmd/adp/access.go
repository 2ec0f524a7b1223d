package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/serve/rest/client"
)

// outputMayBeFile marks a verb whose -o may also name a file.
const outputMayBeFile = "adp-output-may-be-file"

func (a *app) accessCommand() *cobra.Command {
	var as, columns string
	var read client.Read
	cmd := &cobra.Command{
		Use:   "access URL",
		Short: "Open a product by its URL and read its rows",
		Example: `  adp access adp://./aviation/airports --as csv --limit 10
  adp access 'adp://./safety/strike-risk?snapshot=3' --as json
  adp access adp://./safety/strike-risk --as parquet -o risk.parquet
  adp access http://127.0.0.1:7070/d/safety/strike-risk.ndjson`,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{outputMayBeFile: "true"},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if o := a.settings.Output; o != "json" && o != "table" {
				file, a.settings.Output = o, "table"
			}
			where, err := host.ParseAddress(args[0])
			if err != nil {
				return err
			}
			if read.Format, err = a.representation(as, where.Form, file); err != nil {
				return &usageError{err.Error(), cmd.CommandPath()}
			}
			if columns != "" {
				read.Columns = strings.Split(columns, ",")
			}
			if (read.Format == "parquet" || read.Format == "arrow") && file == "" && isTerminal(a.out) {
				return &usageError{read.Format + " is not for terminals; name a file with -o", cmd.CommandPath()}
			}
			return a.access(cmd, args[0], read, file)
		},
	}
	f := cmd.Flags()
	f.StringVar(&as, "as", "", "csv (default), parquet, arrow, json or ndjson")
	f.Var(count[int64]{&read.Limit, 0}, "limit", "at most so many rows; 0: all")
	f.StringVar(&read.Purpose, "purpose", "", "what the rows are for, in your own words, where the node's policy asks")
	f.StringVar(&columns, "columns", "", "names of columns, comma separated, in the order wanted")
	// The global -o is shown again, since it means more here.
	f.StringVarP(&a.settings.Output, "output", "o", "table", "a file to write to; json is short for --as json [ADP_OUTPUT]")
	markSetting(f, "output")
	return cmd
}

// representation is what rows come as: what --as or -o json say, else the extension of the URL, else that of the file to
// write, else csv. Two that were asked for and differ are an error.
func (a *app) representation(as, extension, file string) (string, error) {
	if as != "" && !slices.Contains(host.Representations, as) {
		return "", fmt.Errorf("--as %s: rows come as %s", as, strings.Join(host.Representations, ", "))
	}
	asked := "--as " + as
	if as == "" && a.json() && (a.outputGiven || extension == "") {
		as, asked = "json", "-o json"
	}
	ofFile := strings.TrimPrefix(filepath.Ext(file), ".")
	switch {
	case as != "" && extension != "" && as != extension:
		return "", fmt.Errorf("the URL ends in .%s, %s says otherwise: leave one of them out", extension, asked)
	case as != "":
		return as, nil
	case extension != "":
		return extension, nil
	case slices.Contains(host.Representations, ofFile):
		return ofFile, nil
	}
	return "csv", nil
}

// access copies a product's rows to a file or to stdout.
func (a *app) access(cmd *cobra.Command, address string, read client.Read, file string) error {
	c, where, err := a.open(cmd.Context(), address)
	if err != nil {
		return err
	}
	data, err := c.Open(cmd.Context(), where, read)
	if err != nil {
		return err
	}
	defer data.Body.Close()
	if file == "" {
		_, err = io.Copy(a.out, data.Body)
		return err
	}
	return writeFile(file, data.Body)
}

// writeFile writes beside the file and renames, so that a file that is there is whole.
func writeFile(path string, r io.Reader) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return host.Errorf(host.CodeRunStore, "%w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err := io.Copy(tmp, r); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return host.Errorf(host.CodeRunStore, "%w", err)
	}
	return os.Rename(tmp.Name(), path)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host/serve/rest/client"
)

var useTools = []string{"curl", "duckdb", "python"}

func (a *app) useCommand() *cobra.Command {
	var with string
	cmd := &cobra.Command{
		Use:   "use URL --with curl|duckdb|python",
		Short: "Print what connects a data tool to a product, ready to paste",
		Example: `  adp use adp://./safety/strike-risk --with curl | sh
  adp use adp://./safety/strike-risk --with duckdb
  adp use adp://./safety/strike-risk --with python | python3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(useTools, with) {
				return &usageError{fmt.Sprintf("--with %s: name one of the tools %s", with, strings.Join(useTools, ", ")), cmd.CommandPath()}
			}
			text, err := a.snippet(cmd, args[0], with)
			if err != nil {
				return err
			}
			if a.json() {
				return a.showJSON(map[string]string{"url": args[0], "with": with, "text": text})
			}
			_, err = fmt.Fprint(a.out, text)
			return err
		},
	}
	cmd.Flags().StringVar(&with, "with", "", "curl, duckdb or python")
	_ = cmd.RegisterFlagCompletionFunc("with", cobra.FixedCompletions(useTools, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// snippet writes the text for one port, with the token's file where reading needs one.
func (a *app) snippet(cmd *cobra.Command, address, with string) (string, error) {
	c, where, err := a.open(cmd.Context(), address)
	if err != nil {
		return "", err
	}
	format := map[string]string{"curl": "csv", "duckdb": "parquet", "python": "arrow"}[with]
	// One row is read: what is printed works, and an address that does not is said here.
	data, err := c.Open(cmd.Context(), where, client.Read{Format: "csv", Limit: 1})
	if err != nil {
		return "", err
	}
	_ = data.Body.Close()
	anybody, err := client.New(c.URL(), "")
	if err != nil {
		return "", err
	}
	token := ""
	if open, err := anybody.Open(cmd.Context(), where, client.Read{Format: "csv", Limit: 1}); err == nil {
		_ = open.Body.Close()
	} else {
		token = a.tokenFile()
	}
	return snippets[with](c.DataURL(where, client.Read{Format: format}), token), nil
}

var snippets = map[string]func(url, token string) string{"curl": curlSnippet, "duckdb": duckdbSnippet, "python": pythonSnippet}

func curlSnippet(url, token string) string {
	if token == "" {
		return fmt.Sprintf("curl -sSf %s\n", shellQuote(url))
	}
	return fmt.Sprintf("curl -sSf -H \"Authorization: Bearer $(cat %s)\" %s\n", shellQuote(token), shellQuote(url))
}

func duckdbSnippet(url, token string) string {
	secret := ""
	if token != "" {
		secret = fmt.Sprintf("CREATE SECRET adp (TYPE http, BEARER_TOKEN '$(cat %s)');\n", shellQuote(token))
	}
	return fmt.Sprintf("# where DuckDB cannot download its extension httpfs: fetch the file with curl and read that\n"+
		"duckdb -c \"\nINSTALL httpfs; LOAD httpfs;\n%sSELECT * FROM read_parquet('%s') LIMIT 10;\n\"\n", secret, strings.ReplaceAll(url, "'", "''"))
}

func pythonSnippet(url, token string) string {
	headers := "{}"
	if token != "" {
		headers = fmt.Sprintf(`{"Authorization": "Bearer " + open(%s).read().strip()}`, pythonQuote(token))
	}
	return fmt.Sprintf(`# needs: pip install pyarrow
import urllib.request
import pyarrow.ipc

request = urllib.request.Request(%s, headers=%s)
with urllib.request.urlopen(request) as response:
    table = pyarrow.ipc.open_stream(response).read_all()
print(table.schema)
print(table.num_rows, "rows")
`, pythonQuote(url), headers)
}

// shellQuote makes one word of s for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// pythonQuote makes a Python string of s: what needs escaping in paths and URLs.
func pythonQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

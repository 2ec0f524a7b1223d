package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/adp-host/adp/host"
)

// json reports whether documents are wanted instead of tables.
func (a *app) json() bool { return a.settings.Output == "json" }

// showJSON writes a document to stdout.
func (a *app) showJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes rows under headers.
func table(w io.Writer, headers []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(headers, "\t"))
	for _, r := range rows {
		for i, cell := range r {
			r[i] = strings.NewReplacer("\t", " ", "\n", " ").Replace(cell)
		}
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// productRow is a product as lists show it: these members, no others.
type productRow struct {
	Domain       string     `json:"domain"`
	Product      string     `json:"product"`
	Version      string     `json:"version"`
	Language     string     `json:"language"`
	Rows         int64      `json:"rows"`
	Snapshot     host.Seq   `json:"snapshot"`
	ChecksPassed int        `json:"checks_passed"`
	ChecksFailed int        `json:"checks_failed"`
	State        host.State `json:"state"`
	Reason       string     `json:"reason"`
}

// showProducts lists products.
func (a *app) showProducts(list []host.ProductStatus) error {
	if a.json() {
		out := make([]productRow, len(list))
		for i, p := range list {
			out[i] = productRow{p.Domain, p.Product, p.Version, p.Language, p.Rows, p.Snapshot, p.ChecksPassed, p.ChecksFailed, p.State, p.Reason}
		}
		return a.showJSON(out)
	}
	rows := make([][]string, len(list))
	for i, p := range list {
		rows[i] = []string{p.Domain, p.Product, p.Version, p.Language, fmt.Sprint(p.Rows), fmt.Sprint(p.Snapshot),
			fmt.Sprintf("%d passed, %d failed", p.ChecksPassed, p.ChecksFailed), string(p.State), p.Reason}
	}
	return table(a.out, []string{"DOMAIN", "PRODUCT", "VERSION", "LANGUAGE", "ROWS", "SNAPSHOT", "CHECKS", "STATE", "REASON"}, rows)
}

// showRuns lists what ran, why, and what it cost.
func (a *app) showRuns(list []host.RunStatus) error {
	if a.json() {
		if list == nil {
			list = []host.RunStatus{}
		}
		return a.showJSON(list)
	}
	rows := make([][]string, len(list))
	for i, r := range list {
		seq := ""
		if r.Seq > 0 {
			seq = fmt.Sprint(r.Seq)
		}
		rows[i] = []string{r.Started.Local().Format("2006-01-02 15:04:05"), seq, string(r.State), r.Reason, fmt.Sprint(r.RowsIn), fmt.Sprint(r.RowsOut),
			fmt.Sprint(r.Rejected), fmt.Sprint(r.Fuel), fmt.Sprint(r.BytesIn), fmt.Sprint(r.BytesOut), fmt.Sprintf("%.1f", float64(r.Duration.Microseconds())/1000), r.Error}
	}
	return table(a.out, []string{"STARTED", "SNAPSHOT", "STATE", "WHY", "ROWS IN", "ROWS OUT", "REJECTED", "FUEL", "BYTES IN", "BYTES OUT", "MS", "ERROR"}, rows)
}

// showError tells a person what went wrong: where, the lines in question, what, what to do, and the code.
func (a *app) showError(err error) {
	var shown *exitError
	if errors.As(err, &shown) {
		return
	}
	var usage *usageError
	if errors.As(err, &usage) {
		command := usage.command
		if command == "" {
			command = "adp"
		}
		if a.json() {
			a.showOne(host.Errorf("", "%s", usage.message).WithHint("try: %s --help", command))
			return
		}
		a.talk("adp: %s", usage.message)
		a.talk("try: %s --help", command)
		return
	}
	for _, e := range split(err) {
		a.showOne(e)
	}
}

// split takes joined errors apart.
func split(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok && host.CodeOf(err) != "" {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, split(e)...)
		}
		return out
	}
	return []error{err}
}

func (a *app) showOne(err error) {
	var e *host.Error
	if !errors.As(err, &e) {
		e = host.Errorf("", "%w", err)
	}
	if a.json() {
		b, _ := json.Marshal(e) // strings and integers always encode
		a.talk("%s", b)
		return
	}
	a.talk("adp: %v", e)
	if e.Excerpt != "" {
		a.talk("%s", indent(e.Excerpt))
	}
	if e.Hint != "" {
		a.talk("hint: %s", e.Hint)
	}
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ")
}

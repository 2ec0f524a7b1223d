package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/node"
)

// tested is what a test found.
type tested struct {
	Product     string             `json:"product"`
	State       host.RunState      `json:"state"`
	Passed      bool               `json:"passed"`
	Checks      []host.Check       `json:"checks,omitempty"`
	Coverage    *covered           `json:"coverage"`
	Rejected    []host.RejectedRow `json:"rejected,omitempty"`
	Differences []build.Difference `json:"differences,omitempty"`
	Written     []string           `json:"written,omitempty"` // with --update
	Logs        []string           `json:"logs,omitempty"`
}

// shownRows is how many differing rows of a port a person is shown.
const shownRows = 20

func (a *app) testCommand() *cobra.Command {
	var update bool
	var runs int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "test DIR",
		Short: "Run a product on its fixtures in the sandbox and compare what comes out",
		Long: `Run a product on its fixtures in the sandbox and compare what comes out.

testdata/in/INPUT.csv (or .ndjson, .parquet) feeds an input, testdata/out/PORT.csv is what must come out: the same rows
in any order. An empty cell is null, "" the empty text. The rules of the contracts are checked as on a node, and a last line
says which of them no fixture tries, and which no row of a fixture breaks.

With --random the fixtures are left alone: the product runs on rows made up, of any kind that its input contracts allow.
Its code must not fail on them; what fails is shown with as few rows as do it. How often they broke each rule of the
outputs is shown, too: a rule that no row ever breaks guards against nothing that can come.`,
		Example: `  adp test hello
  adp test hello --update         # testdata/out is what comes out now
  adp test hello --random 200     # 200 runs on rows that the contracts of the inputs allow`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch random := cmd.Flags().Changed("random"); {
			case random && update, cmd.Flags().Changed("seed") && !random:
				return &usageError{"--random goes without --update, and --seed with --random", cmd.CommandPath()}
			case random && runs < 1:
				return &usageError{"--random takes a number of runs, at least 1", cmd.CommandPath()}
			case random:
				return a.random(cmd.Context(), args[0], runs, seed)
			}
			return a.test(cmd.Context(), args[0], update)
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "write what comes out to testdata/out instead of comparing")
	cmd.Flags().IntVar(&runs, "random", 0, "run so often on rows made up, instead of the fixtures")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "make the rows up from this number, to repeat what was found")
	return cmd
}

func (a *app) test(ctx context.Context, dir string, update bool) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	defer w.close()
	artifact, err := w.Product(ctx, dir, w.contract)
	if err != nil {
		return err
	}
	p := artifact.Product
	fixtures, err := build.FindFixtures(dir, p)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "adp-test-*")
	if err != nil {
		return host.Errorf(host.CodeRunStore, "%w", err)
	}
	defer os.RemoveAll(tmp)
	res, err := node.Fixture{Product: p, Module: artifact.Module, Files: fixtures.In, Dir: tmp, Engine: w.engine, Drivers: computeDrivers()}.Execute(ctx)
	for _, rows := range res.Outputs {
		for _, b := range rows {
			defer b.Release()
		}
	}
	if !a.json() {
		for _, line := range res.Logs {
			a.talk("log: %s", line)
		}
	}
	if err != nil {
		return err
	}
	out := tested{Product: p.ID.URL(), State: res.State, Checks: res.Checks, Coverage: coveredBy(res.Checks), Rejected: res.Rejected, Logs: res.Logs}
	if res.State != host.RunCommitted {
		return a.showTest(out)
	}
	if update {
		out.Passed = true
		out.Written, err = fixtures.Update(p, res.Outputs)
	} else {
		out.Differences, err = compare(ctx, fixtures, p, res)
		out.Passed = allEqual(out.Differences)
	}
	if err != nil {
		return err
	}
	return a.showTest(out)
}

func compare(ctx context.Context, f build.Fixtures, p *host.Product, res node.FixtureResult) ([]build.Difference, error) {
	files, err := file.New(file.Config{})
	if err != nil {
		return nil, err
	}
	return f.Compare(ctx, files, p, res.Outputs)
}

func allEqual(list []build.Difference) bool {
	for _, d := range list {
		if !d.Equal() {
			return false
		}
	}
	return true
}

// showTest shows the outcome. Rows that differ exit with 1, rules that hold the run with 3.
func (a *app) showTest(t tested) error {
	if a.json() {
		if err := a.showJSON(t); err != nil {
			return err
		}
	} else if err := a.showTestTable(t); err != nil {
		return err
	}
	switch {
	case t.State == host.RunHeld:
		return &exitError{host.ExitViolated}
	case !t.Passed:
		return &exitError{host.ExitFailed}
	}
	return nil
}

func (a *app) showTestTable(t tested) error {
	var rows [][]string
	for _, c := range t.Checks {
		rows = append(rows, []string{c.Port, c.Rule, string(c.Status), fmt.Sprint(c.Measured), c.Expected})
	}
	for _, d := range t.Differences {
		status := "pass"
		if !d.Equal() {
			status = "fail"
			a.talk("%s", strings.TrimRight(d.Text(shownRows), "\n"))
		}
		rows = append(rows, []string{d.Port, "rows", status, fmt.Sprint(d.Got), fmt.Sprintf("%d rows as in testdata/out", d.Expected)})
	}
	for _, path := range t.Written {
		rows = append(rows, []string{"", "written", "pass", "", path})
	}
	if t.State == host.RunHeld {
		a.talk("held: a rule of the contract keeps these rows from being published")
	}
	if err := table(a.out, []string{"PORT", "CHECK", "RESULT", "MEASURED", "EXPECTED"}, rows); err != nil {
		return err
	}
	if t.Coverage.Rules > 0 {
		a.talk("%s", t.Coverage)
	}
	if len(t.Rejected) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	return a.showRejected(t.Rejected, false)
}

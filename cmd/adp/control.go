package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/serve/rest/client"
)

var controlVerbs = []string{"pause", "resume", "trigger", "rollback", "status", "runs", "release", "skip"}

func (a *app) controlCommand() *cobra.Command {
	var command client.Command
	var to int64
	var limit int
	var at int64
	cmd := &cobra.Command{
		Use:   "control URL pause|resume|trigger|rollback|status|runs|release|skip",
		Short: "Command a product and see what it did",
		Long: `Command a product and see what it did.

  status    state, checks, and the rows that are missing from what is published, newest first, with rule, reason
            and the snapshot at which they were set aside; with --snapshot SEQ those that were missing then
  runs      what ran, why, and what it cost
  pause     nothing runs until resume; reading goes on, and effects that are committed are delivered
  resume    end a pause
  trigger   run now; with --rebuild recompute everything
  rollback  publish the outputs of an earlier snapshot again (--to SEQ) and pause
  release   publish what a rule holds back
  skip      pass over the input that a rule holds back`,
		Example: `  adp control adp://./seismic/earthquakes status
  adp control adp://./seismic/earthquakes rollback --to 3`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("control takes a URL and a verb: %s", strings.Join(controlVerbs, ", "))
			}
			if !slices.Contains(controlVerbs, args[1]) {
				return fmt.Errorf("there is no control verb %q: %s", args[1], strings.Join(controlVerbs, ", "))
			}
			if (args[1] == "rollback") != (to > 0) {
				return fmt.Errorf("--to SEQ goes with rollback, and rollback with --to SEQ")
			}
			if command.Rebuild && args[1] != "trigger" {
				return fmt.Errorf("--rebuild goes with trigger")
			}
			if at > 0 && args[1] != "status" {
				return fmt.Errorf("--snapshot goes with status")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return controlVerbs, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, where, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			switch args[1] {
			case "status":
				return a.status(cmd, c, where, host.Seq(at), limit)
			case "runs":
				runs, err := c.Runs(cmd.Context(), where, limit)
				if err != nil {
					return err
				}
				return a.showRuns(runs)
			}
			command.Verb, command.To = args[1], host.Seq(to)
			out, err := c.Control(cmd.Context(), where, command)
			if err != nil {
				return err
			}
			if out.Product, err = calm(cmd.Context(), c, where, out.Product); err != nil {
				return err
			}
			return a.showOutcome(out)
		},
	}
	f := cmd.Flags()
	f.Var(count[int64]{&to, 1}, "to", "rollback: the snapshot to go back to")
	f.BoolVar(&command.Rebuild, "rebuild", false, "trigger: recompute everything from the beginning of all inputs")
	f.Var(count[int64]{&at, 1}, "snapshot", "status: the rows that were set aside as of this snapshot")
	limit = 20
	f.Var(count[int]{&limit, 1}, "limit", "runs, status: at most so many runs or rejected rows")
	return cmd
}

// calm waits a moment for a product that has just run to say how it is now.
func calm(ctx context.Context, c *client.Client, where host.Address, st host.ProductStatus) (host.ProductStatus, error) {
	for range 50 {
		if st.State != host.StateRunning {
			break
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-time.After(awaitStep):
		}
		var err error
		if st, err = c.Product(ctx, where); err != nil {
			return st, err
		}
	}
	return st, nil
}

// showOutcome shows the product after a command. A run that was held or failed is the command's exit code.
func (a *app) showOutcome(out client.Outcome) error {
	if a.json() {
		if err := a.showJSON(out); err != nil {
			return err
		}
	} else if err := a.showProducts([]host.ProductStatus{out.Product}); err != nil {
		return err
	}
	if out.Run == nil {
		return nil
	}
	stillHeld := out.Run.State == host.RunIdle && out.Product.State == host.StateHeld // nothing new to try
	switch {
	case out.Run.State == host.RunHeld, stillHeld:
		a.talk("held: nothing of this run is published; see adp control %s status", out.Product.URL)
		return &exitError{host.ExitViolated}
	case out.Run.State == host.RunFailed:
		return &host.Error{Code: out.Run.Code, Message: out.Run.Error}
	}
	return nil
}

// productDetail is a product with its last run and the rows that are missing from what it has published.
type productDetail struct {
	host.ProductStatus
	Run       *host.RunStatus      `json:"run,omitempty"`
	Rejected  []host.RejectedRow   `json:"rejected"`
	Missing   int64                `json:"rejected_total"` // rows set aside in all
	Placement host.PlacementStatus `json:"placement"`
}

func (a *app) status(cmd *cobra.Command, c *client.Client, where host.Address, at host.Seq, limit int) error {
	st, err := c.Product(cmd.Context(), where)
	if err != nil {
		return err
	}
	d := productDetail{ProductStatus: st}
	runs, err := c.Runs(cmd.Context(), where, 1)
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		d.Run = &runs[0]
	}
	if d.Rejected, d.Missing, err = c.Rejected(cmd.Context(), where, at, limit); err != nil {
		return err
	}
	if d.Placement, err = c.Placement(cmd.Context(), where); err != nil {
		return err
	}
	if a.json() {
		return a.showJSON(d)
	}
	return a.showDetail(d, limit)
}

func (a *app) showDetail(d productDetail, limit int) error {
	facts := [][]string{{"product", d.URL}, {"version", d.Version}, {"language", d.Language}, {"state", string(d.State)}}
	if d.Reason != "" {
		facts = append(facts, []string{"reason", d.Reason})
	}
	facts = append(facts, []string{"node", d.Placement.Why})
	if d.Hint != "" {
		facts = append(facts, []string{"hint", d.Hint})
	}
	facts = append(facts, []string{"snapshot", fmt.Sprint(d.Snapshot)}, []string{"artifact", string(d.Artifact)})
	for _, p := range d.Inputs {
		facts = append(facts, []string{"input", fmt.Sprintf("%s from %s, %s", p.Name, p.From, p.Mode)})
	}
	for _, p := range d.Outputs {
		facts = append(facts, []string{"output", fmt.Sprintf("%s, %d rows, %s, changed by snapshot %d", p.Name, p.Rows, p.Mode, p.Changed)})
	}
	facts = append(facts, effectFacts(d.Effects)...)
	if err := table(a.out, []string{"FACT", ""}, facts); err != nil {
		return err
	}
	if len(d.Checks) > 0 {
		fmt.Fprintln(a.out)
		var rows [][]string
		for _, c := range d.Checks {
			rows = append(rows, []string{c.Port, c.Rule, string(c.Status), fmt.Sprint(c.Measured), c.Expected, c.Reason})
		}
		if err := table(a.out, []string{"PORT", "CHECK", "RESULT", "MEASURED", "EXPECTED", "REASON"}, rows); err != nil {
			return err
		}
	}
	if len(d.Rejected) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	if err := a.showRejected(d.Rejected, true); err != nil {
		return err
	}
	if more := moreRejected(len(d.Rejected), limit, d.Missing); more != "" {
		a.talk("%s", more)
	}
	return nil
}

// moreRejected says how many rows were set aside beside those shown, and how to see them; "" when there are none.
func moreRejected(shown, limit int, total int64) string {
	more := total - int64(shown)
	switch {
	case more <= 0:
		return ""
	case shown < limit:
		return fmt.Sprintf("%d more were set aside than are kept", more)
	case limit >= client.MaxRejected:
		return fmt.Sprintf("%d more were set aside; earlier ones: --snapshot SEQ", more)
	}
	return fmt.Sprintf("%d more were set aside; see them with --limit %d", more, min(total, client.MaxRejected))
}

// effectFacts say how far what the product wrote to drivers has been delivered.
func effectFacts(e *host.EffectStatus) [][]string {
	switch {
	case e == nil:
		return nil
	case e.Waiting == 0:
		return [][]string{{"effects", fmt.Sprintf("%d delivered", e.Delivered)}}
	case e.Error == "":
		return [][]string{{"effects", fmt.Sprintf("%d waiting, %d delivered", e.Waiting, e.Delivered)}}
	}
	facts := [][]string{{"effects", fmt.Sprintf("%d waiting: %s", e.Waiting, e.Error)}}
	if e.Hint != "" {
		facts = append(facts, []string{"hint", e.Hint})
	}
	return facts
}

// showRejected lists rows that were set aside; dated says at which snapshot.
func (a *app) showRejected(list []host.RejectedRow, dated bool) error {
	header := []string{"PORT", "RULE", "REASON", "FROM", "ROW"}
	if dated {
		header = append([]string{"SNAPSHOT"}, header...)
	}
	var rows [][]string
	for _, r := range list {
		from := r.Origin
		if r.Line > 0 {
			from += fmt.Sprintf(":%d", r.Line)
		}
		content := r.Raw
		if content == "" {
			content = compact(r.Row)
		}
		row := []string{r.Port, r.Rule, r.Reason, from, content}
		if dated {
			row = append([]string{fmt.Sprint(r.Seq)}, row...)
		}
		rows = append(rows, row)
	}
	return table(a.out, header, rows)
}

// compact is a row on one line, short enough for one.
func compact(row map[string]any) string {
	names := make([]string, 0, len(row))
	for name := range row {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%s=%v", name, row[name])
		if b.Len() > 200 {
			return b.String()[:200] + "…"
		}
	}
	return b.String()
}

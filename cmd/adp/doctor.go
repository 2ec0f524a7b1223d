package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, note (something cannot be done here), bad (adp cannot work)
	Found  string `json:"found"`
	Hint   string `json:"hint,omitempty"`
	// Of compilers:
	Language string `json:"language,omitempty"`
	Get      string `json:"get,omitempty"` // the command that gets what is missing, where this machine has one
}

func (a *app) doctorCommand() *cobra.Command {
	var language string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at what adp needs on this machine and say what is missing",
		Long: `Look at what adp needs on this machine and say what is missing.

The exit code is 1 when something is bad: adp cannot work. A language that cannot be built here is only noted, unless --lang asks for it.`,
		Example: `  adp doctor
  adp doctor --lang c && adp build hello`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if language != "" && !slices.Contains(build.Languages, language) {
				return &usageError{fmt.Sprintf("--lang %s: languages are %s", language, strings.Join(build.Languages, ", ")), cmd.CommandPath()}
			}
			list := a.examine(cmd.Context(), language)
			var rows [][]string
			bad := false
			for _, f := range list {
				rows = append(rows, []string{f.Check, f.Status, f.Found, cmp.Or(f.Get, f.Hint)})
				bad = bad || f.Status == "bad"
			}
			show := func() error { return table(a.out, []string{"CHECK", "STATUS", "FOUND", "HINT"}, rows) }
			if a.json() {
				show = func() error { return a.showJSON(list) }
			}
			if err := show(); err != nil {
				return err
			}
			if bad {
				return &exitError{host.ExitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&language, "lang", "", "products in this language have to be built here: "+strings.Join(build.Languages, ", "))
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(build.Languages, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// examine looks at everything; of the languages only at the one that is needed, if one is.
func (a *app) examine(ctx context.Context, needed string) []finding {
	list := []finding{a.examineFolder("data folder", a.settings.Data)}
	cache, err := cacheFolder()
	if err != nil {
		return append(list, judged("build cache", "bad", "", err))
	}
	list = append(list, a.examineFolder("build cache", cache))
	w, err := a.workshop()
	if err != nil {
		return append(list, judged("sandbox", "bad", "", err))
	}
	defer w.close()
	id := w.engine.Identity()
	list = append(list, finding{Check: "sandbox", Status: "ok", Found: fmt.Sprintf("%s %s on %s", id.Name, id.Version, id.Arch)})
	otherwise := "note"
	if needed != "" {
		otherwise = "bad"
	}
	for _, t := range w.Toolchains(ctx) {
		if needed == "" || t.Language == needed {
			f := judged("building "+t.Language, otherwise, t.Found, t.Err)
			f.Language, f.Get = t.Language, t.Get
			list = append(list, f)
		}
	}
	return append(list, a.examineNode(ctx))
}

// judged is ok, or what an error says.
func judged(check, otherwise, found string, err error) finding {
	if err == nil {
		return finding{Check: check, Status: "ok", Found: found}
	}
	f := finding{Check: check, Status: otherwise, Found: err.Error()}
	if e, ok := err.(*host.Error); ok {
		f.Found, f.Hint = e.Message, e.Hint
	}
	return f
}

// examineFolder tells whether adp can write to a folder, or make it.
func (a *app) examineFolder(check, dir string) finding {
	at := dir
	for {
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			break
		}
		if filepath.Dir(at) == at {
			break
		}
		at = filepath.Dir(at)
	}
	f, err := os.CreateTemp(at, ".adp-doctor-*")
	if err != nil {
		return finding{Check: check, Status: "bad", Found: err.Error(), Hint: "name another one: --data DIR, ADP_CACHE"}
	}
	_ = f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return finding{Check: check, Status: "bad", Found: err.Error()}
	}
	return finding{Check: check, Status: "ok", Found: dir}
}

func (a *app) examineNode(ctx context.Context) finding {
	c, err := a.connect()
	if err == nil {
		err = c.Ready(ctx)
	}
	if err != nil {
		return judged("node", "note", "", err)
	}
	m, err := c.Mesh(ctx)
	return judged("node", "bad", fmt.Sprintf("adp %s at %s", m.Version, c.URL()), err)
}

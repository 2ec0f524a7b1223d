package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
)

func (a *app) newCommand() *cobra.Command {
	var s build.Scaffolding
	cmd := &cobra.Command{
		Use:   "new NAME --lang " + strings.Join(build.Languages, "|"),
		Short: "Write a small product to begin with, into the folder NAME",
		Example: `  adp new hello --lang go
  adp new teams/safety/strike-risk --lang rust --domain safety`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Name = filepath.Base(filepath.Clean(args[0]))
			files, err := build.Scaffold(args[0], s)
			if err != nil {
				return misused(err, cmd.CommandPath(), host.CodeManifestType, host.CodeBuildToolchain)
			}
			if a.json() {
				return a.showJSON(map[string]any{"folder": args[0], "files": files})
			}
			rows := make([][]string, len(files))
			for i, f := range files {
				rows[i] = []string{filepath.Join(args[0], f)}
			}
			a.talk("next: adp test %s, adp run %s, adp access adp://./%s/%s", args[0], args[0], s.Domain, s.Name)
			return table(a.out, []string{"FILE"}, rows)
		},
	}
	cmd.Flags().StringVar(&s.Language, "lang", "go", strings.Join(build.Languages, ", "))
	cmd.Flags().StringVar(&s.Domain, "domain", "demo", "domain of the product")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(build.Languages, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host/manifest"
)

func (a *app) schemaCommand() *cobra.Command {
	names := manifest.SchemaNames()
	return &cobra.Command{
		Use:   "schema " + strings.Join(names, "|"),
		Short: "Print the JSON Schema of a product's documents, for editors",
		Long: `Print the JSON Schema (draft-07) of a product's documents, for editors: they then complete fields, say what each means
and mark what adp would refuse. A node serves the same at /schemas/product.json and /schemas/contract.json.

Editors that speak to yaml-language-server find it through a first line of the document:

  # yaml-language-server: $schema=product.schema.json`,
		Example: `  adp schema product > product.schema.json
  adp schema contract > contracts/contract.schema.json`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
		RunE: func(_ *cobra.Command, args []string) error {
			doc, _ := manifest.Schema(args[0])
			_, err := a.out.Write(doc)
			return err
		},
	}
}

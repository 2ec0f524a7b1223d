package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) findCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "find [TEXT]",
		Short: "Search the mesh: products whose names, descriptions, tags or columns hold every word",
		Example: `  adp find
  adp find airport cost -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			list, err := c.Products(cmd.Context(), strings.Join(args, " "))
			if err != nil {
				return err
			}
			return a.showProducts(list)
		},
	}
}

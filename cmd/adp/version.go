package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/abi"
)

// versionDocument says what this binary is.
type versionDocument struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	ABI     int    `json:"abi"` // of guests
	Go      string `json:"go"`
	System  string `json:"system"`
}

// version reads what the build left in the binary.
func version() versionDocument {
	v := versionDocument{Version: "devel", ABI: abi.Version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := info.Main.Version; m != "" && m != "(devel)" {
		v.Version = m
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this adp is",
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if a.json() {
				return a.showJSON(v)
			}
			_, err := fmt.Fprintf(a.out, "adp %s (ABI %d, %s, %s)\n", v.Version, v.ABI, v.Go, v.System)
			return err
		},
	}
}

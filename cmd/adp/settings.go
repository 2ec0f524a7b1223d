package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
)

// settings are what the flags, the environment and adp.yaml come to. A setting that a verb does not have stays zero.
type settings struct {
	Data   string // folder of the node
	Node   string // URL of the node; "" the one of the data folder
	Output string // json, table; of access also a file

	// of a node
	Listen   string
	Mesh     string
	Name     string
	Slots    int
	Shares   node.Shares
	Policy   string         // file of a plug-in that is asked about access; "": the node's rules alone
	Networks []netip.Prefix // beside the public internet, open to products that read the web
	Log      string         // debug, info, warn, error
}

// setting is the annotation of flags that may come from the environment and adp.yaml too.
const setting = "adp-setting"

// configFile lies in the data folder.
const configFile = "adp.yaml"

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.settings.Data, "data", "", "folder of the node (default: the user's data folder) [ADP_DATA]")
	f.StringVar(&a.settings.Node, "node", "", "URL of the node (default: the one that runs on the data folder) [ADP_NODE]")
	f.StringVarP(&a.settings.Output, "output", "o", "table", "json or table [ADP_OUTPUT]")
	for _, name := range []string{"data", "node", "output"} {
		markSetting(f, name)
	}
}

// nodeFlags are the settings of a verb that starts a node.
func (a *app) nodeFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.settings.Listen, "listen", "127.0.0.1:7070", "address to serve on; port 0: any free one [ADP_LISTEN]")
	a.settings.Mesh, a.settings.Name = "local", "local"
	f.Var(text{&a.settings.Mesh, meshName}, "mesh", "name of the mesh [ADP_MESH]")
	f.Var(text{&a.settings.Name, nodeName}, "name", "name of the node [ADP_NAME]")
	f.Var(count[int]{&a.settings.Slots, 0}, "slots", "runs at once; 0: as many as cores [ADP_SLOTS]")
	f.Var(shares{&a.settings.Shares}, "share", "what a tenant or product may have, as in 'product sales/orders fuel=500M runs=1 memory=256MiB'; may be repeated, or with ; between [ADP_SHARE]")
	f.Var(networks{&a.settings.Networks}, "allow-net", "network that products may reach where they read the web, beside the public internet, as in 10.1.0.0/16; may be repeated, or with , between [ADP_ALLOW_NET]")
	f.Var(text{&a.settings.Policy, filled("the path of a module")}, "policy", "Extism plug-in that is asked about what the node's rules allow, and may deny it [ADP_POLICY]")
	f.StringVar(&a.settings.Log, "log", "warn", "debug, info, warn or error, to stderr [ADP_LOG]")
	for _, name := range []string{"listen", "mesh", "name", "slots", "share", "allow-net", "policy", "log"} {
		markSetting(f, name)
	}
}

func markSetting(f *pflag.FlagSet, name string) {
	f.Lookup(name).Annotations = map[string][]string{setting: {"true"}}
}

// resolve fills in what the command line left open.
func (a *app) resolve(cmd *cobra.Command) error {
	a.dataGiven, a.outputGiven = cmd.Flags().Changed("data"), cmd.Flags().Changed("output")
	if err := fromEnvironment(cmd); err != nil {
		return err
	}
	if a.settings.Data == "" {
		dir, err := defaultData()
		if err != nil {
			return err
		}
		a.settings.Data = dir
	}
	abs, err := filepath.Abs(a.settings.Data)
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "data folder %s: %w", a.settings.Data, err)
	}
	a.settings.Data = abs
	if err := fromFile(cmd, filepath.Join(abs, configFile)); err != nil {
		return err
	}
	if o := a.settings.Output; o != "json" && o != "table" && cmd.Annotations[outputMayBeFile] == "" {
		return &usageError{fmt.Sprintf("-o %s: the output is json or table", o), cmd.CommandPath()}
	}
	return nil
}

// open yields the settings of a verb that are not given yet.
func open(cmd *cobra.Command, yield func(f *pflag.Flag) error) error {
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if first == nil && !f.Changed && f.Annotations[setting] != nil {
			first = yield(f)
		}
	})
	return first
}

func fromEnvironment(cmd *cobra.Command) error {
	return open(cmd, func(f *pflag.Flag) error {
		name := "ADP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v, ok := os.LookupEnv(name)
		if !ok || v == "" {
			return nil
		}
		if err := cmd.Flags().Set(f.Name, v); err != nil {
			return &usageError{fmt.Sprintf("%s=%s: %v", name, v, err), cmd.CommandPath()}
		}
		return nil
	})
}

// fileSettings are the names that adp.yaml may hold.
var fileSettings = []string{"node", "output", "listen", "mesh", "name", "slots", "share", "allow-net", "policy", "log"}

func fromFile(cmd *cobra.Command, path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "settings: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return host.Errorf(host.CodeNodeSetup, "%s: %w", path, err)
	}
	values, err := readSettings(path, &doc)
	if err != nil {
		return err
	}
	return open(cmd, func(f *pflag.Flag) error {
		v, ok := values[f.Name]
		if !ok {
			return nil
		}
		list := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			list = v.Content
		}
		for _, v := range list {
			if err := cmd.Flags().Set(f.Name, v.Value); err != nil {
				e := host.Errorf(host.CodeNodeSetup, "%s: %v", f.Name, err)
				e.At = host.Position{File: path, Line: v.Line, Column: v.Column}
				return e
			}
		}
		return nil
	})
}

// listed are the settings that adp.yaml may give a list of.
var listed = []string{"share", "allow-net"}

// readSettings takes a flat mapping of known names.
func readSettings(path string, doc *yaml.Node) (map[string]*yaml.Node, error) {
	out := map[string]*yaml.Node{}
	if len(doc.Content) == 0 { // an empty file
		return out, nil
	}
	bad := func(n *yaml.Node, format string, args ...any) error {
		e := host.Errorf(host.CodeNodeSetup, format, args...).WithHint("settings: %s", strings.Join(fileSettings, ", "))
		e.At = host.Position{File: path, Line: n.Line, Column: n.Column}
		return e
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, bad(top, "settings are lines of name: value")
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		k, v := top.Content[i], top.Content[i+1]
		if !slices.Contains(fileSettings, k.Value) {
			return nil, bad(k, "there is no setting %q", k.Value)
		}
		many := v.Kind == yaml.SequenceNode && slices.Contains(listed, k.Value)
		if v.Kind != yaml.ScalarNode && !many || slices.ContainsFunc(v.Content, func(v *yaml.Node) bool { return v.Kind != yaml.ScalarNode }) {
			return nil, bad(v, "%s takes one value", k.Value)
		}
		out[k.Value] = v
	}
	return out, nil
}

// defaultData is the XDG data folder of the user.
func defaultData() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "adp"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", host.Errorf(host.CodeNodeSetup, "no data folder: %w", err).WithHint("give --data DIR or set ADP_DATA")
	}
	return filepath.Join(home, ".local", "share", "adp"), nil
}

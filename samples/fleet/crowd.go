package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/node"
)

// Crowd is many products of one module.
type Crowd struct {
	Builder  *build.Builder
	Product  fs.FS  // folder of the product
	Document string // in it, the one that is to be product.yaml
	Input    string // name of its file input, which gets a folder of its own; "" when it has none
	Bell     string // name of its driver for effects, which gets a folder beside that, see Rung; "" when it has none
	Work     string // an empty folder
	Talk     func(format string, args ...any)
}

// together is how many products are registered in one step.
const together = 500

// Register registers so many products with a node and returns their folders.
func (c Crowd) Register(ctx context.Context, n *node.Node, many int) (map[host.ProductID]string, error) {
	if err := os.CopyFS(c.Work, c.Product); err != nil {
		return nil, err
	}
	doc, err := fs.ReadFile(c.Product, c.Document)
	if err != nil {
		return nil, err
	}
	out := map[host.ProductID]string{}
	var rs []node.Registration
	var folders []string
	for i := range many {
		r, folder, err := c.product(ctx, n, doc, fmt.Sprintf("p%05d", i))
		if err != nil {
			return nil, err
		}
		rs, folders = append(rs, r), append(folders, folder)
		if len(rs) < together && i < many-1 {
			continue
		}
		ids, err := n.Register(ctx, rs)
		if err != nil {
			return nil, err
		}
		for k, id := range ids {
			out[id] = folders[k]
		}
		rs, folders = nil, nil
		c.Talk("  %d products registered", i+1)
	}
	return out, nil
}

// product builds one under a name.
func (c Crowd) product(ctx context.Context, n *node.Node, doc []byte, name string) (node.Registration, string, error) {
	head, tail, ok := bytes.Cut(doc, []byte("\nname: "))
	_, tail, rest := bytes.Cut(tail, []byte("\n"))
	if !ok || !rest {
		return node.Registration{}, "", errors.New("the product's document has no name of its own line")
	}
	named := fmt.Appendf(nil, "%s\nname: %s\n%s", head, name, tail)
	folder := filepath.Join(c.Work, "sources", name)
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(c.Work, "product.yaml"), named, 0o644)); err != nil {
		return node.Registration{}, "", err
	}
	a, err := c.Builder.Product(ctx, c.Work, nil)
	if err != nil {
		return node.Registration{}, "", err
	}
	digest, err := n.Registry().Push(ctx, a)
	r := node.Registration{Artifact: digest}
	if c.Input != "" {
		r.Sources = map[string]string{c.Input: "file:" + folder}
	}
	if c.Bell != "" {
		r.Sources[c.Bell] = "file:" + Rung(folder)
	}
	return r, folder, err
}

// Rung is where the effects arrive of a product whose input is a folder.
func Rung(folder string) string { return folder + "-bell" }

// Drop renames a file with a column of whole numbers into a folder: it is never read half.
func Drop(folder, name, column string, values ...int) error {
	var b strings.Builder
	b.WriteString(column + "\n")
	for _, v := range values {
		fmt.Fprintln(&b, v)
	}
	file := filepath.Join(folder, name+".csv")
	return errors.Join(os.WriteFile(file+".tmp", []byte(b.String()), 0o644), os.Rename(file+".tmp", file))
}

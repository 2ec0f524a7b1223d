package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest/client"
)

// connect gives the client of the node that was named, or of the one that runs on the data folder. A node that was
// named gets the data folder's token only if it is that node, else ADP_TOKEN.
func (a *app) connect() (*client.Client, error) {
	local, err := a.localNode()
	switch {
	case a.settings.Node != "" && (err != nil || strings.TrimSuffix(a.settings.Node, "/") != local.URL):
		c, err := client.New(a.settings.Node, os.Getenv("ADP_TOKEN"))
		return c, misused(err, "", host.CodeNodeSetup)
	case err != nil:
		return nil, err
	}
	token, err := a.token()
	if err != nil {
		return nil, err
	}
	return client.New(local.URL, token)
}

// localNode is where the node of the data folder answers, or says it does: it may have been killed since.
func (a *app) localNode() (node.Endpoint, error) {
	var e node.Endpoint
	path := filepath.Join(a.settings.Data, node.EndpointFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e, host.Errorf(host.CodeNodeUnreachable, "no node runs on %s", a.settings.Data).
			WithHint("start one with adp up, or name another with --node URL or --data DIR")
	}
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return e, host.Errorf(host.CodeNodeSetup, "%s: %w", path, err)
	}
	return e, nil
}

// tokenFile is where the owner's token lies.
func (a *app) tokenFile() string { return filepath.Join(a.settings.Data, "token") }

func (a *app) token() (string, error) {
	b, err := os.ReadFile(a.tokenFile())
	if err != nil {
		return "", host.Errorf(host.CodePolicyDenied, "the node's token cannot be read: %w", err).
			WithHint("run adp as the user who started the node")
	}
	return strings.TrimSpace(string(b)), nil
}

// open connects to the mesh that an address lies in.
func (a *app) open(ctx context.Context, address string) (*client.Client, host.Address, error) {
	where, err := host.ParseAddress(address)
	if err != nil {
		return nil, where, err
	}
	c, err := a.connect()
	if err != nil {
		if where.Local() {
			return nil, where, err
		}
		if c, err = client.New("http://127.0.0.1", ""); err != nil { // a place to start from; it is not asked
			return nil, where, err
		}
	}
	c, err = c.For(ctx, where)
	return c, where, err
}

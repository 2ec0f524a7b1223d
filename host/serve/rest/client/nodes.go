package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/adp-host/adp/host"
)

// Fleet lists the nodes of the mesh, and what it survives.
func (c *Client) Fleet(ctx context.Context) (host.FleetStatus, error) {
	var f host.FleetStatus
	return f, c.getJSON(ctx, "/api/v1/nodes", nil, &f)
}

// Node is one node with what it owns and why.
func (c *Client) Node(ctx context.Context, name string) (host.NodeStatus, error) {
	var n host.NodeStatus
	return n, c.getJSON(ctx, "/api/v1/nodes/"+url.PathEscape(name), nil, &n)
}

// CommandNode tells a node to cordon, drain or uncordon.
func (c *Client) CommandNode(ctx context.Context, name, verb string) (host.NodeStatus, error) {
	var n host.NodeStatus
	return n, c.post(ctx, "/api/v1/nodes/"+url.PathEscape(name)+"/"+url.PathEscape(verb), nil, "application/json", nil, &n)
}

// Placement says why a product is where it is.
func (c *Client) Placement(ctx context.Context, a host.Address) (host.PlacementStatus, error) {
	var p host.PlacementStatus
	return p, c.getJSON(ctx, productPath(a, "/placement"), nil, &p)
}

// Join asks a node of a mesh to let another one in.
func (c *Client) Join(ctx context.Context, r host.JoinRequest) (host.JoinAnswer, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return host.JoinAnswer{}, err
	}
	var a host.JoinAnswer
	return a, c.post(ctx, "/api/v1/cluster/join", nil, "application/json", bytes.NewReader(body), &a)
}

// Backup writes what the mesh keeps in etcd, as of one moment.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	res, err := c.request(ctx, http.MethodGet, "/api/v1/cluster/backup", nil, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

package node

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/registry"
)

// Endpoint is what the file "node.json" of the data directory tells the command line: where the node answers. The token
// lies beside it, readable by its owner only.
type Endpoint struct {
	URL string `json:"url"`
	PID int    `json:"pid"`
}

// EndpointFile is the name of that file.
const EndpointFile = "node.json"

// Serve answers HTTP on l until ctx ends.
func (n *Node) Serve(ctx context.Context, l net.Listener, version string) error {
	s, err := rest.New(rest.Config{
		Catalogue: n, Runs: n, Control: n, Publisher: n, Tables: ports{n}, Fleet: n, Decider: n.policy, Search: registry.Find, Contract: n.Contract, Schema: manifest.Schema,
		Identity: rest.OwnerToken{Token: n.token, Tenant: host.LocalTenant},
		Mesh:     n.cfg.Mesh, Version: version, Metrics: n.metrics.registry, Log: n.log,
		CacheDir: filepath.Join(n.cfg.Data, "cache", "parquet"), Ready: n.Ready,
	})
	if err != nil {
		return err
	}
	path := filepath.Join(n.cfg.Data, EndpointFile)
	b, err := json.Marshal(Endpoint{URL: "http://" + l.Addr().String(), PID: os.Getpid()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return host.Errorf(host.CodeNodeSetup, "cannot write %s: %w", path, err)
	}
	return errors.Join(s.Serve(ctx, l), os.Remove(path))
}

// Ready tells why the node cannot serve: etcd does not answer.
func (n *Node) Ready(ctx context.Context) error {
	_, err := n.cluster.Specs(ctx)
	return err
}

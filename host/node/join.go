package node

import (
	"context"
	"path/filepath"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
)

// AuthorityDir is the folder, in the data directory of the node that began a mesh, of the authority that signs the
// certificates of its nodes.
const AuthorityDir = "authority"

// CertsDir is the folder of a node's own certificate in its data directory.
const CertsDir = "certs"

// Join lets another node in: it gets a certificate, and learns where etcd and the store are. Only the node that began
// the mesh can sign.
func (n *Node) Join(ctx context.Context, r host.JoinRequest) (host.JoinAnswer, error) {
	if n.cfg.Fleet.Member == nil {
		return host.JoinAnswer{}, host.Errorf(host.CodeNodeSetup, "node %s does not take others in", n.cfg.Name).
			WithHint("start it with adp up --cluster; where etcd is your own, start the others with --etcd too")
	}
	if r.Format != host.JoinFormat {
		return host.JoinAnswer{}, host.Errorf(host.CodeNodeVersion, "node %s of adp %s speaks format %d, this mesh %d", r.Name, r.Version, r.Format, host.JoinFormat).
			WithHint("bring both to the same version of adp")
	}
	if !host.ValidNode(r.Name) {
		return host.JoinAnswer{}, host.Errorf(host.CodeNodeSetup, "%q is not a name for a node", r.Name).WithHint("take %s", host.NameRule)
	}
	dir := filepath.Join(n.cfg.Data, AuthorityDir)
	if !cluster.HasAuthority(dir) {
		return host.JoinAnswer{}, host.Errorf(host.CodeNodeSetup, "node %s cannot sign the certificate of another: the mesh's authority is not here", n.cfg.Name).
			WithHint("join at the node that began the mesh; where that is lost, copy its folder %q from a backup into this node's data folder", AuthorityDir)
	}
	members, err := n.cluster.Members(ctx)
	if err != nil {
		return host.JoinAnswer{}, err
	}
	a := host.JoinAnswer{Mesh: n.cfg.Mesh, Shared: n.cfg.Fleet.Shared}
	for _, m := range members {
		if m.Client != "" && !m.Learner {
			a.Endpoints = append(a.Endpoints, m.Client)
		}
	}
	authority, err := cluster.OpenAuthority(dir)
	if err != nil {
		return host.JoinAnswer{}, err
	}
	cert, err := authority.Sign([]byte(r.Request), r.Name)
	if err != nil {
		return host.JoinAnswer{}, err
	}
	a.Authority, a.Certificate = string(authority.Certificate()), string(cert)
	return a, nil
}

// Certify gives the node that begins a mesh the certificate that its member of etcd shows. One that it has is kept.
func Certify(data, name string, hosts []string) (cluster.Certs, error) {
	certs := cluster.CertsIn(filepath.Join(data, CertsDir))
	if certs.Usable() {
		return certs, nil
	}
	authority, err := cluster.OpenAuthority(filepath.Join(data, AuthorityDir))
	if err != nil {
		return certs, err
	}
	request, err := certs.Request(hosts)
	if err != nil {
		return certs, err
	}
	cert, err := authority.Sign(request, name)
	if err != nil {
		return certs, err
	}
	return certs, certs.Keep(authority.Certificate(), cert)
}

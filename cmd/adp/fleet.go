package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest/client"
)

// fleetSettings are how a node lives with others.
type fleetSettings struct {
	Cluster   bool   // take others in
	Join      string // URL of a node of the mesh to join
	TokenFile string // of that mesh
	Role      string // node, etcd
	Etcd      []string
	EtcdCA    string
	EtcdCert  string
	EtcdKey   string
	Shared    string
	Labels    map[string]string
	Products  int
	Lease     time.Duration
}

const (
	roleNode = "node"
	roleEtcd = "etcd"
)

// How short and how long a lease may be. A shorter one than etcd can keep would lose nodes that live; a longer one would
// leave the products of a dead node without an owner for longer than anybody waits.
const (
	leaseLeast   = 2 * time.Second
	leaseMost    = 10 * time.Minute
	leaseDefault = 10 * time.Second
)

func (a *app) fleetFlags(cmd *cobra.Command) {
	f, s := cmd.Flags(), &a.fleet
	s.Role, s.Lease = roleNode, leaseDefault
	f.BoolVar(&s.Cluster, "cluster", false, "take other nodes in: etcd listens on loopback, with certificates on both sides")
	f.Var(text{&s.Join, webAddress}, "join", "URL of a node that was started with --cluster: join its mesh")
	f.Var(text{&s.TokenFile, filled("the name of a file")}, "token-file", "with --join or --etcd: file with the token of the mesh (default: the data folder's own)")
	f.Var(text{&s.Role, oneOf(roleNode, roleEtcd)}, "role", "node, or etcd: carry a member of etcd and run no products")
	f.Var(webAddresses{&s.Etcd}, "etcd", "addresses of an etcd of your own (3.7.1 or newer) instead of the embedded one")
	a.etcdFlags(cmd)
	f.Var(text{&s.Shared, filled("the name of a folder")}, "shared", "folder of the store that the nodes share (default: that of the mesh joined, else the data folder)")
	f.Var(labelValues{&s.Labels}, "label", "NAME=VALUE that products can ask for; may be repeated")
	f.Var(count[int]{&s.Products, 0}, "max-products", "how many products the node may own; 0: unlimited")
	f.Var(seconds{&s.Lease, leaseLeast, leaseMost}, "lease", "how long a node that is not heard of counts as alive; whole seconds, 2s to 10m")
}

// etcdFlags are how an etcd of one's own is spoken to.
func (a *app) etcdFlags(cmd *cobra.Command) {
	f, s := cmd.Flags(), &a.fleet
	file := filled("the name of a file")
	f.Var(text{&s.EtcdCA, file}, "etcd-ca", "certificate of the authority that signed that etcd's, PEM")
	f.Var(text{&s.EtcdCert, file}, "etcd-cert", "certificate to show it, PEM")
	f.Var(text{&s.EtcdKey, file}, "etcd-key", "key of that certificate, PEM")
}

// check refuses settings that contradict each other.
func (s fleetSettings) check() error {
	switch {
	case s.Join != "" && s.Cluster, len(s.Etcd) > 0 && (s.Cluster || s.Join != ""):
		return &usageError{"--cluster, --join and --etcd exclude each other", "adp up"}
	case s.TokenFile != "" && s.Join == "" && len(s.Etcd) == 0:
		return &usageError{"--token-file goes with --join or --etcd", "adp up"}
	case s.Role == roleEtcd && len(s.Etcd) > 0:
		return &usageError{"--role etcd carries a member of the embedded etcd: --etcd names one of your own", "adp up"}
	}
	return nil
}

// fleetOf makes of the settings what the node needs; url is where it will answer.
func (a *app) fleetOf(ctx context.Context, url string) (node.Fleet, error) {
	s := a.fleet
	f := node.Fleet{Shared: s.Shared, Labels: s.Labels, Products: s.Products, LeaseTTL: s.Lease, Version: version().Version}
	if err := s.check(); err != nil {
		return f, err
	}
	var err error
	if f.TLS, err = s.etcdTLS("adp up"); err != nil {
		return f, err
	}
	known, err := readJoined(a.settings.Data)
	if err != nil {
		return f, err
	}
	switch {
	case len(s.Etcd) > 0:
		f.URL, f.Endpoints = url, s.Etcd
		if s.TokenFile != "" {
			f.Token, err = readToken(s.TokenFile)
		}
	case s.Join != "" || known != nil:
		f.URL = url
		err = a.joinMesh(ctx, &f, known)
	case s.Cluster:
		f.URL = url
		f.Member, err = a.member(url)
		if err == nil {
			f.Member.Certs, err = node.Certify(a.settings.Data, a.settings.Name, loopbackNames)
		}
	}
	return f, err
}

// readToken reads the token of a mesh.
func readToken(file string) (string, error) {
	b, err := os.ReadFile(file)
	token := strings.TrimSpace(string(b))
	if err == nil && token == "" {
		err = fmt.Errorf("%s is empty", file)
	}
	if err != nil {
		return "", host.Errorf(host.CodePolicyDenied, "a node takes the token of the mesh along: %w", err).
			WithHint("give the file \"token\" of the first node's data folder: --token-file FILE")
	}
	return token, nil
}

// keepToken makes a token that of the data folder.
func (a *app) keepToken(token string) error {
	err := os.MkdirAll(a.settings.Data, 0o755)
	if err == nil {
		err = replaceFile(a.tokenFile(), func(f *os.File) error {
			_, err := f.WriteString(token)
			return err
		})
	}
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "keeping the token: %w", err)
	}
	return nil
}

// loopbackNames are what certificates of nodes on loopback are valid for.
var loopbackNames = []string{"127.0.0.1", "::1", "localhost"}

// etcdTLS is how the etcd of --etcd is spoken to; nil: in the clear, or there is none.
func (s fleetSettings) etcdTLS(command string) (*tls.Config, error) {
	given := []string{s.EtcdCA, s.EtcdCert, s.EtcdKey}
	n := 0
	for _, v := range given {
		if v != "" {
			n++
		}
	}
	switch {
	case n > 0 && len(s.Etcd) == 0:
		return nil, &usageError{"--etcd-ca, --etcd-cert and --etcd-key go with --etcd", command}
	case n == len(given):
		return cluster.Certs{CA: s.EtcdCA, Cert: s.EtcdCert, Key: s.EtcdKey}.Client()
	case n > 0:
		return nil, &usageError{"--etcd-ca, --etcd-cert and --etcd-key go together", command}
	}
	for _, e := range s.Etcd {
		if strings.HasPrefix(e, "https:") {
			return nil, &usageError{"an etcd with https:// needs --etcd-ca, --etcd-cert and --etcd-key", command}
		}
	}
	return nil, nil
}

// memberFile keeps the addresses of the node's member of etcd: the other members know it by them.
const memberFile = "member.json"

// member is the member of etcd that the node carries or may come to carry. Its ports are chosen once.
func (a *app) member(url string) (*cluster.Member, error) {
	path := filepath.Join(a.settings.Data, memberFile)
	m := cluster.Member{Name: a.settings.Name}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	switch {
	case err == nil:
		return &m, m.Validate()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, host.Errorf(host.CodeNodeSetup, "%s: %w", path, err)
	}
	for _, to := range []*string{&m.Peer, &m.Client} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, host.Errorf(host.CodeNodeSetup, "a port for etcd: %w", err)
		}
		defer l.Close() // both at once, so that they differ
		*to = "https://" + l.Addr().String()
	}
	b, err = json.Marshal(struct{ Peer, Client string }{m.Peer, m.Client})
	if err == nil {
		err = errors.Join(os.MkdirAll(a.settings.Data, 0o755), os.WriteFile(path, b, 0o644))
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "%s: %w", path, err)
	}
	return &m, nil
}

// joinedFile keeps what the mesh answered when the node joined, so that it comes back without asking.
const joinedFile = "joined.json"

func readJoined(data string) (*host.JoinAnswer, error) {
	path := filepath.Join(data, joinedFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var j host.JoinAnswer
	if err == nil {
		err = json.Unmarshal(b, &j)
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "%s: %w", path, err)
	}
	return &j, nil
}

// joinMesh asks for a certificate and where things are, unless the node knows from before.
func (a *app) joinMesh(ctx context.Context, f *node.Fleet, known *host.JoinAnswer) error {
	certs := cluster.CertsIn(filepath.Join(a.settings.Data, node.CertsDir))
	if known == nil || !certs.Usable() {
		if a.settings.Name == "local" {
			return &usageError{"a node that joins a mesh needs a name of its own: --name", "adp up"}
		}
		var err error
		if known, err = a.askToJoin(ctx, certs); err != nil {
			return err
		}
	}
	a.settings.Mesh = known.Mesh
	f.Endpoints = known.Endpoints
	if f.Shared == "" {
		f.Shared = known.Shared
	}
	var err error
	if f.TLS, err = certs.Client(); err != nil {
		return err
	}
	if f.Member, err = a.member(f.URL); err == nil {
		f.Member.Certs = certs
	}
	return err
}

func (a *app) askToJoin(ctx context.Context, certs cluster.Certs) (*host.JoinAnswer, error) {
	if a.fleet.Join == "" {
		return nil, host.Errorf(host.CodeNodeSetup, "the certificate of %s has expired or is gone", a.settings.Data).WithHint("join again: --join URL")
	}
	tokenFile := a.fleet.TokenFile
	if tokenFile == "" {
		tokenFile = a.tokenFile()
	}
	token, err := readToken(tokenFile)
	if err != nil {
		return nil, err
	}
	c, err := client.New(a.fleet.Join, token)
	if err != nil {
		return nil, err
	}
	request, err := certs.Request(loopbackNames)
	if err != nil {
		return nil, err
	}
	j, err := c.Join(ctx, host.JoinRequest{Name: a.settings.Name, Format: host.JoinFormat, Version: version().Version, Request: string(request)})
	if e, ok := err.(*host.Error); ok && e.Code == host.CodeNodeUnreachable {
		return nil, e.WithHint("name a node of the mesh that is up: --join URL; adp node ls has their URLs")
	}
	if err != nil {
		return nil, err
	}
	if err := certs.Keep([]byte(j.Authority), []byte(j.Certificate)); err != nil {
		return nil, err
	}
	b, err := json.Marshal(j)
	if err == nil {
		err = errors.Join(a.keepToken(token), os.WriteFile(filepath.Join(a.settings.Data, joinedFile), b, 0o600))
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	return &j, nil
}

// upEtcd carries a member of etcd alone until ctx ends.
func (a *app) upEtcd(ctx context.Context) error {
	if !a.fleet.Cluster && a.fleet.Join == "" {
		known, err := readJoined(a.settings.Data)
		if err != nil || known == nil {
			return errors.Join(err, &usageError{"--role etcd goes with --cluster, to begin a mesh, or with --join", "adp up"})
		}
	}
	log, err := a.logger()
	if err != nil {
		return err
	}
	f, err := a.fleetOf(ctx, "")
	if err != nil {
		return err
	}
	a.talk("member %s of etcd at %s, data in %s", f.Member.Name, f.Member.Client, a.settings.Data)
	return cluster.RunMember(ctx, cluster.Config{Dir: filepath.Join(a.settings.Data, "etcd"), Node: a.settings.Name, Member: f.Member,
		Endpoints: f.Endpoints, Addresses: filepath.Join(a.settings.Data, node.MembersFile), TLS: f.TLS, Log: log})
}

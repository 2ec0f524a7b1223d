package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/adp-host/adp/host"
)

// Certs are files in PEM: whom to trust, and what to show. The members of etcd and the nodes of a mesh trust nobody
// but their own authority.
type Certs struct {
	CA, Cert, Key string
}

// validity of certificates. A mesh's authority is its own; a node that starts renews what is about to end.
const (
	validity   = 10 * 365 * 24 * time.Hour
	renewAhead = 30 * 24 * time.Hour
)

// CertsIn is where a node keeps its certificates in a folder.
func CertsIn(dir string) Certs {
	return Certs{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "node.pem"), Key: filepath.Join(dir, "node-key.pem")}
}

// Client is the configuration of connections to etcd.
func (c Certs) Client() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "certificate %s with key %s: %w", c.Cert, c.Key, err)
	}
	ca, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "authority: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(ca) {
		return nil, host.Errorf(host.CodeNodeSetup, "%s holds no certificate", c.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: trusted}, nil
}

// Authority signs the certificates of a mesh's nodes. Its key stays on the node that began the mesh.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// OpenAuthority reads the authority of a folder, and makes one there when there is none.
func OpenAuthority(dir string) (*Authority, error) {
	certFile, keyFile := filepath.Join(dir, "authority.pem"), filepath.Join(dir, "authority-key.pem")
	a, err := readAuthority(certFile, keyFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "authority: %w", err)
	}
	t := template("adp mesh authority")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	t.MaxPathLenZero = true
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err == nil {
		err = errors.Join(writeKey(keyFile, key), writePEM(certFile, "CERTIFICATE", der, 0o644)) // the certificate last: with it both are there
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "authority: %w", err)
	}
	return readAuthority(certFile, keyFile)
}

// HasAuthority reports whether there is an authority in a folder.
func HasAuthority(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "authority.pem"))
	return err == nil
}

func readAuthority(certFile, keyFile string) (*Authority, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, host.Errorf(host.CodeNodeSetup, "%s is not a key of ours", keyFile)
	}
	return &Authority{cert: pair.Leaf, key: key, pem: encodePEM("CERTIFICATE", pair.Leaf.Raw)}, nil
}

// Certificate is the authority's own, in PEM: what nodes trust.
func (a *Authority) Certificate() []byte { return a.pem }

// Sign answers a request for a certificate (PEM) with one (PEM). The name is what the mesh calls the node, whatever the
// request says; the addresses are the request's.
func (a *Authority) Sign(request []byte, name string) ([]byte, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, host.Errorf(host.CodeNodeSetup, "that is not a request for a certificate")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "request for a certificate: %w", err)
	}
	t := template(name)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames, t.IPAddresses = csr.DNSNames, csr.IPAddresses
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, csr.PublicKey, a.key)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "signing: %w", err)
	}
	return encodePEM("CERTIFICATE", der), nil
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails since Go 1.24
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(validity)} // clocks may be apart
}

// Request makes a key, kept at c.Key, and the request (PEM) for its certificate, which is to be valid for the hosts.
func (c Certs) Request(hosts []string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(c.Key), 0o700); err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		err = writeKey(c.Key, key)
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "certificate: %w", err)
	}
	t := &x509.CertificateRequest{}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "certificate: %w", err)
	}
	return encodePEM("CERTIFICATE REQUEST", der), nil
}

// Keep stores what the authority answered.
func (c Certs) Keep(ca, cert []byte) error {
	if err := errors.Join(os.WriteFile(c.CA, ca, 0o644), os.WriteFile(c.Cert, cert, 0o644)); err != nil {
		return host.Errorf(host.CodeNodeSetup, "certificate: %w", err)
	}
	return nil
}

// Usable reports whether the files hold a certificate that is valid for a while.
func (c Certs) Usable() bool {
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return false
	}
	_, err = os.Stat(c.CA)
	return err == nil && time.Now().Add(renewAhead).Before(pair.Leaf.NotAfter)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", der, 0o600)
}

func writePEM(file, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(file, encodePEM(kind, der), mode)
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

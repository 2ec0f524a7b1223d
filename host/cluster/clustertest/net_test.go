package clustertest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"
)

// echo is a TLS server that counts the lines it gets and answers each, behind a Net under the name "s".
func echo(t *testing.T) (n *Net, dial func(caller string) *tls.Conn, got chan string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{AnyCaller, "server"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got = make(chan string, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					got <- lines.Text()
					fmt.Fprintf(conn, "%s\n", lines.Text())
				}
			}()
		}
	}()
	n = NewNet()
	t.Cleanup(n.Close)
	front, err := n.Before("s", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	return n, func(caller string) *tls.Conn {
		t.Helper()
		conn, err := tls.Dial("tcp", front, as(caller, trusted))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}, got
}

// as is how the two kinds of callers say who they are: members by a name, nodes by a protocol.
func as(caller string, trusted *x509.CertPool) *tls.Config {
	if caller == "a" {
		return &tls.Config{RootCAs: trusted, ServerName: CallerName(caller)}
	}
	return As(caller, &tls.Config{RootCAs: trusted, ServerName: "server"})
}

func say(t *testing.T, c *tls.Conn, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(c, line); err != nil {
		t.Fatal(err)
	}
}

// hears reports whether an answer comes within a while.
func hears(c *tls.Conn, within time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(within))
	_, err := c.Read(make([]byte, 100))
	return err == nil
}

// What one caller suffers the other does not; a cut of one way lets the other through; what was cut off comes when it heals.
func TestNet(t *testing.T) {
	n, dial, got := echo(t)
	a, b := dial("a"), dial("b")
	say(t, a, "1")
	if <-got; !hears(a, 10*time.Second) {
		t.Fatal("nothing passes in fine weather")
	}
	n.Set("a", "s", Weather{Back: Flow{Cut: true}})
	say(t, a, "2")
	if line := <-got; line != "2" {
		t.Fatalf("%q got through", line)
	}
	say(t, b, "3")
	if <-got; !hears(b, 10*time.Second) {
		t.Error("b suffers what a does")
	}
	answered := make(chan bool, 1)
	go func() { answered <- hears(a, 10*time.Second) }()
	select {
	case <-answered:
		t.Fatal("the reply came through the cut")
	case <-time.After(100 * time.Millisecond):
	}
	n.Clear()
	if !<-answered {
		t.Error("what was cut off did not come when the cut had healed")
	}
	n.Isolate("s")
	say(t, b, "4")
	select {
	case line := <-got:
		t.Fatalf("%q came through the cut", line)
	case <-time.After(100 * time.Millisecond):
	}
	n.Clear()
	<-got
	if broken := n.Break("b", "s"); broken != 1 {
		t.Errorf("%d connections were broken", broken)
	}
	hears(b, 10*time.Second) // the answer to 4, maybe
	if hears(b, 10*time.Second) {
		t.Error("a broken connection speaks")
	}
	n.Set("", "s", Weather{There: Flow{Delay: 150 * time.Millisecond}, Back: Flow{Rate: 1000}})
	began := time.Now()
	say(t, a, "5")
	if <-got; !hears(a, 10*time.Second) || time.Since(began) < 150*time.Millisecond {
		t.Errorf("slow weather took %s", time.Since(began))
	}
}

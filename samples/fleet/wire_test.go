package fleet_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"
)

// wire stands before an etcd that speaks in the clear, and keeps back what a connection says.
type wire struct {
	net.Listener
	etcd string // HOST:PORT

	mu    sync.Mutex
	rule  *catch // nil: nothing is looked for
	lines sync.WaitGroup
}

// catch is a rule and the connection that it has caught: the first to send a request with the text.
type catch struct {
	text    string
	replies bool          // replies are kept from the text on, and requests pass; else the other way round
	caught  chan struct{} // closed when the text has come
	release chan struct{} // closed when the requests that were kept are to go on

	mu    sync.Mutex
	reply []byte // what etcd has said since and nobody got
}

// wiredEtcd is an etcd in this process whose clients, also those that ask it for its address, come through a wire.
func wiredEtcd(t *testing.T) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := embed.NewConfig()
	c.Dir, c.LogLevel = t.TempDir(), "fatal"
	free := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.ListenPeerUrls = free, free
	c.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: l.Addr().String()}}
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	<-e.Server.ReadyNotify()
	w := &wire{Listener: l, etcd: e.Clients[0].Addr().String()}
	t.Cleanup(func() {
		_ = l.Close()
		e.Close()
		w.lines.Wait()
	})
	w.lines.Go(w.accept)
	return w
}

func (w *wire) url() string { return "http://" + w.Addr().String() }

// keep looks for a request with the text.
func (w *wire) keep(text string, replies bool) *catch {
	c := &catch{text: text, replies: replies, caught: make(chan struct{}), release: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rule = c
	return c
}

// match gives the rule to the connection whose requests have its text.
func (w *wire) match(sent []byte) *catch {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.rule
	if c == nil || !bytes.Contains(sent, []byte(c.text)) {
		return nil
	}
	w.rule = nil
	return c
}

func (w *wire) accept() {
	for {
		client, err := w.Accept()
		if err != nil {
			return
		}
		etcd, err := net.Dial("tcp", w.etcd)
		if err != nil {
			_ = client.Close()
			continue
		}
		var caught atomic.Pointer[catch]
		w.lines.Go(func() { w.requests(client, etcd, &caught) })
		w.lines.Go(func() { replies(client, etcd, &caught) })
	}
}

// requests passes requests on until the client ends. What was kept of a client that was killed goes on when it is released.
func (w *wire) requests(client, etcd net.Conn, caught *atomic.Pointer[catch]) {
	var before []byte // a text may come in two pieces
	for b := make([]byte, 64<<10); ; {
		n, err := client.Read(b)
		if c := w.match(append(before, b[:n]...)); c != nil {
			caught.Store(c)
			if c.replies {
				_, _ = etcd.Write(b[:n])
			}
			close(c.caught)
			rest, _ := io.ReadAll(client)
			if !c.replies {
				<-c.release
				_, _ = etcd.Write(append(bytes.Clone(b[:n]), rest...))
			}
			return // and etcd's end stays open: it does not know yet that nobody listens
		}
		_, werr := etcd.Write(b[:n])
		if err != nil || werr != nil {
			_ = etcd.Close()
			return
		}
		before = append(before[:0], b[max(0, n-200):n]...)
	}
}

// replies passes replies back until etcd ends, or keeps them.
func replies(client, etcd net.Conn, caught *atomic.Pointer[catch]) {
	defer etcd.Close()
	defer client.Close()
	for b := make([]byte, 64<<10); ; {
		n, err := etcd.Read(b)
		if c := caught.Load(); c != nil {
			c.mu.Lock()
			c.reply = append(c.reply, b[:n]...)
			c.mu.Unlock()
		} else if _, err := client.Write(b[:n]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// answered reports whether etcd has said the text since.
func (c *catch) answered(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.reply, []byte(text))
}

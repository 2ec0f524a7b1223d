package clustertest

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// Flow is what happens to the bytes of one direction of a connection.
type Flow struct {
	Cut   bool          // nothing passes. Bytes wait, as they do while TCP sends them again, and pass when the cut is healed
	Delay time.Duration // until what was sent arrives
	Rate  int           // bytes a second that pass; 0: unlimited
}

// Weather is what happens between two that speak with each other: to what the caller sends, and to what comes back.
type Weather struct{ There, Back Flow }

// Cut lets nothing through.
var Cut = Weather{There: Flow{Cut: true}, Back: Flow{Cut: true}}

// AnyCaller is what the certificates of etcd's members must be valid for: a member calls the others by CallerName.
const AnyCaller = "*" + nameSuffix

const (
	nameSuffix  = ".caller.test"
	protoPrefix = "caller/"
)

// CallerName is the name of a TLS server that a member asks for, so that a Net knows who it is.
func CallerName(caller string) string { return caller + nameSuffix }

// As lets a Net know who calls, by a protocol that nobody speaks: gRPC asks for the server's own name.
func As(caller string, c *tls.Config) *tls.Config {
	c = c.Clone()
	c.NextProtos = append(c.NextProtos, "h2", protoPrefix+caller)
	return c
}

// callerOf reads who calls from all of a TLS connection that a proxy can read.
func callerOf(h *tls.ClientHelloInfo) string {
	if name, ok := strings.CutSuffix(h.ServerName, nameSuffix); ok {
		return name
	}
	for _, p := range h.SupportedProtos {
		if name, ok := strings.CutPrefix(p, protoPrefix); ok {
			return name
		}
	}
	return ""
}

// Net is proxies, one before each of several TLS servers, and the weather between every caller and every server. It
// passes bytes on and knows nothing of what they say.
type Net struct {
	mu      sync.Mutex
	weather map[pair]Weather
	changed chan struct{} // closed at the next change
	wires   map[*wire]bool
	fronts  []net.Listener
	closed  bool
	wg      sync.WaitGroup
}

// pair is a caller and a server. "" is anybody without weather of its own.
type pair struct{ from, to string }

// wire is one connection: to the caller, and to the server once it is known who calls.
type wire struct {
	pair
	caller, server net.Conn
}

func (w *wire) close() {
	_ = w.caller.Close()
	if w.server != nil {
		_ = w.server.Close()
	}
}

// NewNet is a Net of fine weather.
func NewNet() *Net {
	return &Net{weather: map[pair]Weather{}, changed: make(chan struct{}), wires: map[*wire]bool{}}
}

// Before starts a proxy on loopback before the server that listens, or will listen, at an address, and returns the
// proxy's own address. Several proxies may lead to one name.
func (n *Net) Before(name, server string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fronts = append(n.fronts, l)
	n.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.wg.Go(func() { n.serve(conn, name, server) })
		}
	})
	return l.Addr().String(), nil
}

// Set makes the weather between a caller and a server, also for connections that there are; "" stands for all of whom
// nothing else is said.
func (n *Net) Set(from, to string, w Weather) {
	n.change(func() { n.weather[pair{from, to}] = w })
}

// Isolate cuts a server, under its name also a caller, off from everybody else.
func (n *Net) Isolate(name string) {
	n.change(func() { n.weather[pair{name, ""}], n.weather[pair{"", name}] = Cut, Cut })
}

// Clear makes all weather fine.
func (n *Net) Clear() { n.change(func() { clear(n.weather) }) }

func (n *Net) change(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
	close(n.changed)
	n.changed = make(chan struct{})
}

// Break closes the connections that there are between a caller and a server, whatever is on its way; "" is everybody. It
// returns how many they were.
func (n *Net) Break(from, to string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	broken := 0
	for w := range n.wires {
		if (from == "" || w.from == from) && (to == "" || w.to == to) {
			w.close()
			broken++
		}
	}
	return broken
}

// Close ends all proxies and connections.
func (n *Net) Close() {
	n.change(func() { n.closed = true })
	for _, l := range n.fronts {
		_ = l.Close()
	}
	n.Break("", "")
	n.wg.Wait()
}

// now is the weather of a wire, and what tells when it may have changed.
func (n *Net) now(p pair) (w Weather, changed <-chan struct{}, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, key := range []pair{p, {p.from, ""}, {"", p.to}, {"", ""}} {
		if w, ok := n.weather[key]; ok {
			return w, n.changed, n.closed
		}
	}
	return w, n.changed, n.closed
}

// serve reads who calls, connects to the server, and passes bytes on in both directions.
func (n *Net) serve(caller net.Conn, name, server string) {
	w := &wire{pair: pair{to: name}, caller: caller}
	defer caller.Close()
	if !n.hold(w) {
		return
	}
	defer n.drop(w)
	from, hello := whoCalls(caller)
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	n.mu.Lock()
	w.from, w.server = from, to
	n.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { n.pass(w, to, caller, hello, func(w Weather) Flow { return w.There }) })
	both.Go(func() { n.pass(w, caller, to, nil, func(w Weather) Flow { return w.Back }) })
	both.Wait()
}

func (n *Net) hold(w *wire) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wires[w] = true
	return !n.closed
}

func (n *Net) drop(w *wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.wires, w)
}

// piece is some bytes and when they were sent.
type piece struct {
	bytes []byte
	sent  time.Time
}

// inFlight is how many pieces are on their way before the sender has to wait.
const inFlight = 64

// pass passes bytes on until one side ends. The end arrives as late as bytes do.
func (n *Net) pass(w *wire, to, from net.Conn, first []byte, flow func(Weather) Flow) {
	pieces := make(chan piece, inFlight)
	gone := make(chan struct{})
	n.wg.Go(func() {
		defer close(pieces)
		next, err := first, error(nil)
		for {
			if len(next) > 0 || err != nil {
				select {
				case pieces <- piece{next, time.Now()}:
				case <-gone:
					return
				}
			}
			if err != nil {
				return
			}
			var size int
			buf := make([]byte, 16<<10)
			size, err = from.Read(buf)
			next = buf[:size]
		}
	})
	defer close(gone)
	for p := range pieces {
		if !n.carry(w.pair, p, flow) {
			break
		}
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	w.close() // nobody here closes half of a connection
}

// carry waits until a piece arrives; false when the net is closed before.
func (n *Net) carry(between pair, p piece, flow func(Weather) Flow) bool {
	moved := time.Now()
	for {
		weather, changed, closed := n.now(between)
		f := flow(weather)
		arrives := p.sent.Add(f.Delay)
		if f.Rate > 0 {
			arrives = later(arrives, moved.Add(time.Duration(len(p.bytes))*time.Second/time.Duration(f.Rate)))
		}
		var due <-chan time.Time
		switch {
		case closed:
			return false
		case f.Cut:
		case !time.Now().Before(arrives):
			return true
		default:
			due = time.After(time.Until(arrives))
		}
		select {
		case <-due:
			return true
		case <-changed: // for better or worse
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// whoCalls reads the name that a caller asks for, and what it has sent until then.
func whoCalls(conn net.Conn) (caller string, sent []byte) {
	said := &overheard{Conn: conn}
	_ = tls.Server(said, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		caller = callerOf(h)
		return nil, errEnough
	}}).Handshake()
	return caller, said.bytes
}

var errEnough = errors.New("clustertest: the name is known")

// overheard is a connection that is only listened to, and what was heard.
type overheard struct {
	net.Conn
	bytes []byte
}

func (o *overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.bytes = append(o.bytes, b[:n]...)
	return n, err
}

func (o *overheard) Write(b []byte) (int, error) { return len(b), nil }

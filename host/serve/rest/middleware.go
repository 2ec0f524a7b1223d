package rest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

const (
	headerRequestID = "X-Request-Id"
	headerDirect    = "Adp-Direct" // one node asks another: what it has itself is the answer
)

// identify names the request: by the client's X-Request-Id when it is sane, else by a random one.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(headerRequestID)
		if !saneID(id) {
			var raw [8]byte
			rand.Read(raw[:]) // never fails since Go 1.24
			id = hex.EncodeToString(raw[:])
		}
		h := c.Response().Header()
		h.Set(headerRequestID, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if c.Request().Header.Get(headerDirect) != "" {
			c.SetRequest(c.Request().WithContext(host.WithDirect(c.Request().Context())))
		}
		return next(c)
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(headerRequestID) }

func saneID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, r := range id {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return true
}

// recoverPanics turns a panic of a handler into an error that tells the client nothing and the log everything.
func (s *Server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return next(c)
	}
}

// bound keeps a client that neither reads nor writes from holding a connection for ever.
func (s *Server) bound(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		res, r := c.Response(), c.Request()
		rc := http.NewResponseController(res.Writer)
		_ = rc.SetWriteDeadline(time.Time{}) // of the connection's request before; not every writer has deadlines
		res.Writer = &stallWriter{res.Writer, rc, s.cfg.StallLimit}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &stallReader{http.MaxBytesReader(res.Writer, r.Body, s.cfg.MaxUpload), rc, s.cfg.StallLimit}
		}
		return next(c)
	}
}

// stallWriter gives each write a deadline of its own.
type stallWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	limit time.Duration
}

func (w *stallWriter) Write(b []byte) (int, error) {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.limit))
	return w.ResponseWriter.Write(b)
}

func (w *stallWriter) Flush()                      { _ = w.rc.Flush() }
func (w *stallWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// stallReader gives each read of a body a deadline of its own, and none to what follows the body: net/http watches the
// connection for the client's leaving, and a deadline there would look like it.
type stallReader struct {
	io.ReadCloser
	rc    *http.ResponseController
	limit time.Duration
}

func (r *stallReader) Read(b []byte) (int, error) {
	_ = r.rc.SetReadDeadline(time.Now().Add(r.limit))
	n, err := r.ReadCloser.Read(b)
	if err != nil {
		_ = r.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// guard refuses requests that a web page could make a browser send: those addressed to a name that is not ours (DNS
// rebinding) and those that say they come from another origin.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !s.ownHost(r.Host) {
			return withStatus(http.StatusForbidden, host.Errorf(host.CodeAccessRequest, "this node does not answer to the name %q", r.Host).
				WithHint("use http://127.0.0.1 or http://localhost with the node's port, or name the host in its settings"))
		}
		if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r) {
			return withStatus(http.StatusForbidden, host.Errorf(host.CodeAccessRequest, "requests from the origin %q are refused", origin))
		}
		return next(c)
	}
}

func (s *Server) ownHost(hostport string) bool {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = strings.Trim(hostport, "[]")
	}
	if strings.EqualFold(name, "localhost") || slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == scheme(r) && strings.EqualFold(u.Host, r.Host)
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// subject is who asks. Somebody beyond loopback without a token is nobody at all: public sample data is public to the
// machine, not to its network.
func (s *Server) subject(r *http.Request) (policy.Subject, error) {
	auth := r.Header.Get("Authorization")
	if auth == "" {
		if addr, _, err := net.SplitHostPort(r.RemoteAddr); err != nil || !net.ParseIP(addr).IsLoopback() {
			return policy.Subject{}, nil
		}
		return policy.Anonymous, nil
	}
	kind, token, _ := strings.Cut(auth, " ")
	if strings.EqualFold(kind, "Bearer") {
		if sub, ok := s.cfg.Identity.Identify(strings.TrimSpace(token)); ok {
			return sub, nil
		}
	}
	return policy.Subject{}, withStatus(http.StatusUnauthorized, host.Errorf(host.CodePolicyDenied, "the token is not known here").
		WithHint("%s", tokenHint))
}

const tokenHint = "send Authorization: Bearer TOKEN; a local node's token is in the file \"token\" of its data directory"

// allow asks the one decision of a request. Nobody without credentials gets 401, since credentials may help; others 403.
func (s *Server) allow(c echo.Context, action policy.Action, res policy.Resource) error {
	sub, err := s.subject(c.Request())
	if err != nil {
		return err
	}
	d := s.cfg.Decider.Decide(policy.Request{Subject: sub, Action: action, Resource: res, Purpose: c.Request().Header.Get("ADP-Purpose")})
	if d.Allow {
		return nil
	}
	e := host.Errorf(host.CodePolicyDenied, "%s may not %s %s: %s", sub, action, res, d.Reason)
	if sub.Kind == policy.KindAnonymous || sub.Kind == "" {
		return withStatus(http.StatusUnauthorized, e.WithHint("%s", tokenHint))
	}
	return e
}

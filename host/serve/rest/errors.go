package rest

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
)

const typeProblem = "application/problem+json"

// Problem is the body of every error: RFC 9457 with the members of host.Error.
type Problem struct {
	Type     string         `json:"type"`     // urn:adp:error:CODE, or about:blank for errors without a code
	Title    string         `json:"title"`    // of the status
	Status   int            `json:"status"`   // as on the wire
	Detail   string         `json:"detail"`   // what happened, for people
	Instance string         `json:"instance"` // urn:adp:request:ID; the operator finds it in the log
	Code     host.ErrorCode `json:"code,omitempty"`
	Hint     string         `json:"hint,omitempty"`
	At       *host.Position `json:"at,omitempty"`
	Excerpt  string         `json:"excerpt,omitempty"`
}

// statused is an error whose status does not follow from its code alone.
type statused struct {
	status int
	err    error
}

func (s *statused) Error() string { return s.err.Error() }
func (s *statused) Unwrap() error { return s.err }

func withStatus(status int, err error) error { return &statused{status, err} }

// statuses maps codes to HTTP statuses. What is not listed is the server's fault.
var statuses = map[host.ErrorCode]int{
	host.CodeAccessUnknown:   http.StatusNotFound,
	host.CodeAccessEmpty:     http.StatusNotFound,
	host.CodeTableSnapshot:   http.StatusNotFound,
	host.CodeRegistryUnknown: http.StatusNotFound,
	host.CodeAccessFormat:    http.StatusNotAcceptable,
	host.CodeAccessQuery:     http.StatusBadRequest,
	host.CodeAccessAddress:   http.StatusBadRequest,
	host.CodeAccessCursor:    http.StatusBadRequest,
	host.CodeAccessRequest:   http.StatusBadRequest,
	host.CodeRegistryFormat:  http.StatusBadRequest,
	host.CodeRegistryDigest:  http.StatusBadRequest,
	host.CodeDriverUnknown:   http.StatusBadRequest,
	host.CodeAccessExpired:   http.StatusGone,
	host.CodePolicyDenied:    http.StatusForbidden,
	host.CodeRunHeld:         http.StatusConflict,
	host.CodeRunPaused:       http.StatusConflict,
	host.CodeRunBusy:         http.StatusConflict,
	host.CodeRunChanged:      http.StatusConflict,
	host.CodeNodeCycle:       http.StatusConflict,
	host.CodeRunLostOwner:    http.StatusServiceUnavailable,
	host.CodeRunStore:        http.StatusServiceUnavailable,
	host.CodeNodeUnreachable: http.StatusServiceUnavailable,
	host.CodeNodeInUse:       http.StatusServiceUnavailable,
	host.CodeNodeEtcd:        http.StatusServiceUnavailable,
	host.CodeNodeFull:        http.StatusServiceUnavailable,
	host.CodeNodeSetup:       http.StatusServiceUnavailable,
	host.CodeNodeUnknown:     http.StatusNotFound,
	host.CodeNodeVersion:     http.StatusConflict,
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var s *statused
	if errors.As(err, &s) {
		return s.status
	}
	code := host.CodeOf(err)
	if status, ok := statuses[code]; ok {
		return status
	}
	if len(code) > 4 {
		switch code[4] {
		case 'M', 'B': // documents and builds come from the client
			return http.StatusBadRequest
		case 'S', 'R', 'D': // a run that the client asked for did not work out
			return http.StatusConflict
		}
	}
	return http.StatusInternalServerError
}

// problemOf tells a client what it may know of an error: all of a host.Error, nothing of others.
func problemOf(err error, requestID string) Problem {
	p := Problem{Type: "about:blank", Status: statusOf(err), Instance: "urn:adp:request:" + requestID}
	p.Title = http.StatusText(p.Status)
	var coded *host.Error
	if !errors.As(err, &coded) {
		p.Detail = "the node failed to answer; its log says why under this instance"
		return p
	}
	p.Type = "urn:adp:error:" + string(coded.Code)
	p.Code, p.Detail, p.Hint, p.Excerpt = coded.Code, coded.Message, coded.Hint, coded.Excerpt
	if coded.At != (host.Position{}) {
		p.At = &coded.At
	}
	return p
}

// onError writes the problem document of an error that a handler returned. Once bytes have left, the only honest answer
// is to cut the connection.
func (s *Server) onError(err error, c echo.Context) {
	id := requestID(c)
	if c.Response().Committed {
		s.cfg.Log.Warn("answer cut off", "request", id, "path", c.Request().URL.Path, "error", err)
		panic(http.ErrAbortHandler)
	}
	var fromEcho *echo.HTTPError
	if errors.As(err, &fromEcho) && host.CodeOf(err) == "" {
		err = echoProblem(fromEcho, c)
	}
	p := problemOf(err, id)
	if p.Status >= http.StatusInternalServerError {
		s.cfg.Log.Error("request failed", "request", id, "method", c.Request().Method, "path", c.Request().URL.Path, "error", err)
	}
	writeProblem(c.Response(), c.Request(), p)
}

// echoProblem gives the router's own errors a code.
func echoProblem(e *echo.HTTPError, c echo.Context) error {
	r := c.Request()
	switch e.Code {
	case http.StatusNotFound:
		return withStatus(e.Code, host.Errorf(host.CodeAccessUnknown, "there is nothing at %s", r.URL.Path).
			WithHint("/.well-known/adp lists what this node serves"))
	case http.StatusMethodNotAllowed:
		return withStatus(e.Code, host.Errorf(host.CodeAccessRequest, "%s does not take %s", r.URL.Path, r.Method).
			WithHint("/openapi.json lists the methods"))
	}
	return withStatus(e.Code, host.Errorf(host.CodeAccessRequest, "%v", e.Message))
}

func writeProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges"} {
		h.Del(name)
	}
	h.Set("Content-Type", typeProblem)
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="adp"`)
	}
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(p) // the client may be gone; there is nobody to tell
}

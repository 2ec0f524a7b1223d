package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// command is the body of a control request; each verb takes its own members.
type command struct {
	Rebuild bool     `json:"rebuild,omitempty"` // trigger
	To      host.Seq `json:"to,omitempty"`      // rollback
}

// controlled answers a control request: the product as it is now, and the run that the verb caused.
type controlled struct {
	Product host.ProductStatus `json:"product"`
	Run     *host.RunStatus    `json:"run,omitempty"`
}

const verbs = "pause, resume, trigger, rollback, release, skip"

// maxCommand bounds the body of a control request.
const maxCommand = 64 << 10

// control answers POST /api/v1/products/{domain}/{product}/{verb}.
func (s *Server) control(c echo.Context) error {
	id := s.pathID(c)
	if err := s.allow(c, policy.ActionControl, policy.Resource{Product: id}); err != nil {
		return err
	}
	cmd, err := readCommand(c.Request())
	if err != nil {
		return err
	}
	// A command that was accepted goes on when its caller hangs up.
	ctx := context.WithoutCancel(c.Request().Context())
	run, err := s.do(ctx, id, c.Param("verb"), cmd)
	if err != nil {
		return err
	}
	st, err := s.cfg.Catalogue.Product(ctx, id)
	if err != nil {
		return err
	}
	if run != nil {
		run.Domain, run.Product = id.Domain, id.Name
	}
	return sendJSON(c, http.StatusOK, controlled{st, run})
}

// do carries a verb out. The run is nil for verbs that cause none.
func (s *Server) do(ctx context.Context, id host.ProductID, verb string, cmd command) (*host.RunStatus, error) {
	if cmd.Rebuild && verb != "trigger" || cmd.To != 0 && verb != "rollback" {
		return nil, host.Errorf(host.CodeAccessRequest, "%s does not take these settings", verb).
			WithHint("rebuild goes with trigger, to goes with rollback")
	}
	ctl := s.cfg.Control
	var run host.RunStatus
	var err error
	switch verb {
	case "pause":
		return nil, ctl.Pause(ctx, id)
	case "resume":
		return nil, ctl.Resume(ctx, id)
	case "trigger":
		run, err = ctl.Trigger(ctx, id, cmd.Rebuild)
	case "rollback":
		if cmd.To < 1 {
			return nil, host.Errorf(host.CodeAccessRequest, "rollback takes the snapshot to go back to").WithHint(`{"to": 41}`)
		}
		run, err = ctl.Rollback(ctx, id, cmd.To)
	case "release":
		run, err = ctl.Release(ctx, id)
	case "skip":
		run, err = ctl.Skip(ctx, id)
	default:
		return nil, withStatus(http.StatusNotFound, host.Errorf(host.CodeAccessRequest, "there is no verb %q", verb).WithHint("verbs: %s", verbs))
	}
	return &run, err
}

func readCommand(r *http.Request) (command, error) {
	var cmd command
	if r.URL.RawQuery != "" {
		return cmd, badQuery("control takes its settings in the body")
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, maxCommand))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cmd); err != nil && !errors.Is(err, io.EOF) { // no body: no settings
		return cmd, host.Errorf(host.CodeAccessRequest, "the body is not a command: %v", err).
			WithHint(`{"rebuild": true} for trigger, {"to": 41} for rollback, nothing else`)
	}
	return cmd, nil
}

// publish answers POST /api/v1/products: an artifact as a tar of its OCI layout. source=INPUT=URI says where a file
// input lies on the node; it may be given once an input.
func (s *Server) publish(c echo.Context) error {
	if err := s.allow(c, policy.ActionPublish, s.catalogue()); err != nil {
		return err
	}
	sources, err := sourceParams(c.Request())
	if err != nil {
		return err
	}
	st, err := s.cfg.Publisher.Publish(c.Request().Context(), c.Request().Body, sources)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return withStatus(http.StatusRequestEntityTooLarge,
			host.Errorf(host.CodeAccessRequest, "the artifact is larger than %d bytes", tooLarge.Limit))
	}
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/api/v1/products/"+st.Domain+"/"+st.Product)
	return sendJSON(c, http.StatusCreated, st)
}

func sourceParams(r *http.Request) (map[string]string, error) {
	out := map[string]string{}
	for name, values := range r.URL.Query() {
		if name != "source" {
			return nil, badQuery("there is no parameter %q here", name).WithHint("known: source=INPUT=URI")
		}
		for _, v := range values {
			input, uri, ok := strings.Cut(v, "=")
			if _, twice := out[input]; !ok || input == "" || uri == "" || twice {
				return nil, badQuery("source=%s is not INPUT=URI, once an input", v)
			}
			out[input] = uri
		}
	}
	return out, nil
}

// sendJSON writes a document for programs that people read too.
func sendJSON(c echo.Context, status int, v any) error {
	h := c.Response().Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	enc := json.NewEncoder(c.Response())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

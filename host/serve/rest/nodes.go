package rest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// Fleet knows the nodes of the mesh and commands them.
type Fleet interface {
	// Fleet lists the nodes, and what the mesh survives.
	Fleet(ctx context.Context) (host.FleetStatus, error)
	// NodeDetail is one node with what it owns and why; host.CodeNodeUnknown when there is none.
	NodeDetail(ctx context.Context, node string) (host.NodeStatus, error)
	// Placement says why a product is where it is.
	Placement(ctx context.Context, id host.ProductID) (host.PlacementStatus, error)
	Cordon(ctx context.Context, node string) error
	Drain(ctx context.Context, node string) error
	Uncordon(ctx context.Context, node string) error
	// Join lets another node in.
	Join(ctx context.Context, r host.JoinRequest) (host.JoinAnswer, error)
	// Backup writes what the mesh keeps in etcd, as of one moment.
	Backup(ctx context.Context, w io.Writer) error
}

const nodeVerbs = "cordon, drain, uncordon"

// maxJoin bounds the body of a request to join.
const maxJoin = 64 << 10

// listNodes answers GET /api/v1/nodes.
func (s *Server) listNodes(c echo.Context) error {
	if err := s.allow(c, policy.ActionOperate, s.catalogue()); err != nil {
		return err
	}
	f, err := s.cfg.Fleet.Fleet(c.Request().Context())
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, f)
}

// showNode answers GET /api/v1/nodes/{node}.
func (s *Server) showNode(c echo.Context) error {
	if err := s.allow(c, policy.ActionOperate, s.catalogue()); err != nil {
		return err
	}
	n, err := s.cfg.Fleet.NodeDetail(c.Request().Context(), c.Param("node"))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, n)
}

// commandNode answers POST /api/v1/nodes/{node}/{verb}.
func (s *Server) commandNode(c echo.Context) error {
	if err := s.allow(c, policy.ActionOperate, s.catalogue()); err != nil {
		return err
	}
	ctx, node := context.WithoutCancel(c.Request().Context()), c.Param("node")
	var err error
	switch verb := c.Param("verb"); verb {
	case "cordon":
		err = s.cfg.Fleet.Cordon(ctx, node)
	case "drain":
		err = s.cfg.Fleet.Drain(ctx, node)
	case "uncordon":
		err = s.cfg.Fleet.Uncordon(ctx, node)
	default:
		err = withStatus(http.StatusNotFound, host.Errorf(host.CodeAccessRequest, "there is no verb %q for nodes", verb).WithHint("verbs: %s", nodeVerbs))
	}
	if err != nil {
		return err
	}
	n, err := s.cfg.Fleet.NodeDetail(ctx, node)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, n)
}

// showPlacement answers GET /api/v1/products/{domain}/{product}/placement.
func (s *Server) showPlacement(c echo.Context) error {
	id := s.pathID(c)
	if err := s.allow(c, policy.ActionFind, policy.Resource{Product: id}); err != nil {
		return err
	}
	p, err := s.cfg.Fleet.Placement(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, p)
}

// join answers POST /api/v1/cluster/join. Whoever has the token of the mesh may bring a node.
func (s *Server) join(c echo.Context) error {
	if err := s.allow(c, policy.ActionOperate, s.catalogue()); err != nil {
		return err
	}
	var r host.JoinRequest
	dec := json.NewDecoder(io.LimitReader(c.Request().Body, maxJoin))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return host.Errorf(host.CodeAccessRequest, "the body is not a request to join: %v", err).WithHint("nodes join with: adp up --join URL")
	}
	a, err := s.cfg.Fleet.Join(c.Request().Context(), r)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, a)
}

// backup answers GET /api/v1/cluster/backup. What cannot be written to its end is cut off: its reader sees that the last
// line is missing.
func (s *Server) backup(c echo.Context) error {
	if err := s.allow(c, policy.ActionOperate, s.catalogue()); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, "application/x-ndjson")
	return s.cfg.Fleet.Backup(c.Request().Context(), c.Response())
}

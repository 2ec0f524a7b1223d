package rest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Server answers HTTP for one node. New makes it, Serve runs it; it can be served on several listeners.
type Server struct {
	cfg     Config
	echo    *echo.Echo
	cache   *parquetCache
	metrics *httpMetrics
}

// New checks the configuration and lays the routes. Nothing listens yet.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cache, err := openParquetCache(cfg.CacheDir, cfg.CacheBytes)
	if err != nil {
		return nil, err
	}
	metrics, err := newHTTPMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, echo: echo.New(), cache: cache, metrics: metrics}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = s.onError
	s.echo.Use(s.identify, s.observe, s.recoverPanics, s.bound, s.guard)
	s.routes()
	return s, nil
}

// routes is the whole surface. openapi.json describes each line of it; a test compares.
func (s *Server) routes() {
	read := func(path string, h echo.HandlerFunc) {
		s.echo.GET(path, h)
		s.echo.HEAD(path, h)
	}
	read("/", s.index)
	read("/.well-known/adp", s.wellKnown)
	read("/openapi.json", s.openAPI)
	read("/schemas/:document", s.schema)
	read("/healthz", s.healthz)
	read("/readyz", s.readyz)
	read("/metrics", s.showMetrics)

	read("/d/:domain/:product", s.getProduct)
	read("/d/:domain/:product/:port", s.getPort)
	read("/d/:domain/:product/changes", s.getChanges)
	read("/d/:domain/:product/:port/changes", s.getChanges)

	read("/api/v1/products", s.listProducts)
	s.echo.POST("/api/v1/products", s.publish)
	read("/api/v1/products/:domain/:product", s.showProduct)
	s.echo.POST("/api/v1/products/:domain/:product/:verb", s.control)
	read("/api/v1/products/:domain/:product/quarantine", s.listRejected)
	read("/api/v1/products/:domain/:product/contracts/:port", s.showContract)
	read("/api/v1/products/:domain/:product/placement", s.showPlacement)
	read("/api/v1/runs", s.listRuns)

	read("/api/v1/nodes", s.listNodes)
	read("/api/v1/nodes/:node", s.showNode)
	s.echo.POST("/api/v1/nodes/:node/:verb", s.commandNode)
	s.echo.POST("/api/v1/cluster/join", s.join)
	s.echo.GET("/api/v1/cluster/backup", s.backup)
}

// Handler is the server without a listener, for tests and for embedding.
func (s *Server) Handler() http.Handler { return s.echo }

// Serve answers on l until ctx ends; open requests then get Config.DrainPeriod to finish. It closes l and returns nil
// after an orderly end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainPeriod)
	defer cancel()
	err := srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close() // whoever still reads is cut off, and sees it
	}
	<-done
	return err
}

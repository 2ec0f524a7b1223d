package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// httpMetrics count what this wire does. Labels are routes, never paths: their number is fixed.
type httpMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	rows     *prometheus.CounterVec
	open     prometheus.Gauge
	show     http.Handler
}

func newHTTPMetrics(reg *prometheus.Registry) (*httpMetrics, error) {
	m := &httpMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adp_http_requests_total",
			Help: "Requests by route, method and status."}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "adp_http_request_seconds",
			Help: "Time from the first byte in to the last byte out.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, []string{"route"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adp_http_response_bytes_total",
			Help: "Bytes of bodies sent."}, []string{"route"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adp_http_rows_total",
			Help: "Rows sent, by format; whole Parquet files are not counted."}, []string{"format"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "adp_http_open_requests", Help: "Requests being answered."}),
		show: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.bytes, m.rows, m.open} {
		if err := reg.Register(c); err != nil {
			return nil, host.Errorf(host.CodeNodeSetup, "metrics: %w", err)
		}
	}
	return m, nil
}

// observe counts and logs. It also has errors answered here, so that the status is known.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		s.metrics.open.Inc()
		defer func() {
			s.metrics.open.Dec()
			r, res := c.Request(), c.Response()
			route := c.Path()
			if route == "" {
				route = "none"
			}
			took := time.Since(start)
			s.metrics.requests.WithLabelValues(route, r.Method, strconv.Itoa(res.Status)).Inc()
			s.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
			s.metrics.bytes.WithLabelValues(route).Add(float64(res.Size))
			s.cfg.Log.Debug("request", "request", requestID(c), "method", r.Method, "path", r.URL.Path, "status", res.Status,
				"bytes", res.Size, "ms", took.Milliseconds())
		}()
		if err := next(c); err != nil {
			c.Error(err)
		}
		return nil
	}
}

func (s *Server) showMetrics(c echo.Context) error {
	if err := s.allow(c, policy.ActionFind, s.catalogue()); err != nil {
		return err
	}
	s.metrics.show.ServeHTTP(c.Response(), c.Request())
	return nil
}

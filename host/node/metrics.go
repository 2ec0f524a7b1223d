package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/adp-host/adp/host"
)

// metrics count what the node does; /metrics shows them.
type metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	fuel     *prometheus.CounterVec
	rowsIn   *prometheus.CounterVec
	rowsOut  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	waiting  *prometheus.GaugeVec
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	product := []string{"domain", "product"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "adp", Name: name, Help: help}, append(product, labels...))
		m.registry.MustRegister(c)
		return c
	}
	m.runs = counter("runs_total", "Runs by how they ended.", "state")
	m.fuel = counter("fuel_total", "Fuel that guests consumed.")
	m.rowsIn = counter("rows_in_total", "Rows handed to guests.")
	m.rowsOut = counter("rows_out_total", "Rows taken from guests.")
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "adp", Name: "run_seconds",
		Help: "Duration of runs, start to commit.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}, product)
	m.waiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "adp", Name: "effects_waiting",
		Help: "Effects that are committed and not delivered yet, of the products that run on this node."}, product)
	m.registry.MustRegister(m.seconds, m.waiting)
	return m
}

// observe counts a run that ended.
func (n *Node) observe(id host.ProductID, st host.RunStatus) {
	m := n.metrics
	m.runs.WithLabelValues(id.Domain, id.Name, string(st.State)).Inc()
	m.fuel.WithLabelValues(id.Domain, id.Name).Add(float64(st.Fuel))
	m.rowsIn.WithLabelValues(id.Domain, id.Name).Add(float64(st.RowsIn))
	m.rowsOut.WithLabelValues(id.Domain, id.Name).Add(float64(st.RowsOut))
	m.seconds.WithLabelValues(id.Domain, id.Name).Observe(st.Duration.Seconds())
}

// Metrics is what /metrics gathers.
func (n *Node) Metrics() *prometheus.Registry { return n.metrics.registry }

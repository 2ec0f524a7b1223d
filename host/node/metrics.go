package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
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

// ofGuests adds how instances of guests came about.
func (m *metrics) ofGuests(stats func() sandbox.Stats) {
	for from, count := range map[string]func(sandbox.Stats) int64{
		"initialised": func(s sandbox.Stats) int64 { return s.Initialised },
		"mapped":      func(s sandbox.Stats) int64 { return s.Mapped },
		"reused":      func(s sandbox.Stats) int64 { return s.Reused },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "adp", Name: "guest_starts_total",
			Help:        "Starts of guests: initialised, from the memory of one that was, or with an instance that served before.",
			ConstLabels: prometheus.Labels{"from": from}}, func() float64 { return float64(count(stats())) }))
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "adp", Name: "modules_differing_total",
		Help: "Modules whose compiled code did something else than the interpreter."}, func() float64 { return float64(stats().Differing) }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "adp", Name: "guests_parked",
		Help: "Instances of guests that wait for their next run."}, func() float64 { return float64(stats().Parked) }))
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

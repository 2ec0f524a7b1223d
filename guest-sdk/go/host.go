package adp

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// Config is a setting of the product, and whether it is set.
func (p *Product) Config(key string) (string, bool) {
	b, ok := p.fill("config "+key, make([]byte, 256), func(buf []byte) int64 { return p.sys.config(key, buf) })
	return string(b), ok
}

// Setting is a setting of the product as a value, or other when it is not set. A text that is not such a value fails the run.
func Setting[T string | int | int64 | float64 | bool | time.Duration](p *Product, key string, other T) T {
	s, ok := p.Config(key)
	if !ok {
		return other
	}
	var v any
	var err error
	switch any(other).(type) {
	case string:
		v = s
	case int:
		v, err = strconv.Atoi(s)
	case int64:
		v, err = strconv.ParseInt(s, 10, 64)
	case float64:
		v, err = strconv.ParseFloat(s, 64)
	case bool:
		v, err = strconv.ParseBool(s)
	case time.Duration:
		v, err = time.ParseDuration(s)
	}
	if err != nil {
		p.Fail(errors.New("setting " + key + ": " + strconv.Quote(s) + " is not what is needed here, like " + text(other)))
		return other
	}
	return v.(T)
}

// Debug logs its parts, separated by spaces.
func (p *Product) Debug(parts ...any) { p.log(abi.LogDebug, parts) }

// Info logs its parts, separated by spaces.
func (p *Product) Info(parts ...any) { p.log(abi.LogInfo, parts) }

// Warn logs its parts, separated by spaces.
func (p *Product) Warn(parts ...any) { p.log(abi.LogWarn, parts) }

// Error logs its parts, separated by spaces. It does not fail the run: see [Product.Fail].
func (p *Product) Error(parts ...any) { p.log(abi.LogError, parts) }

func (p *Product) log(level int32, parts []any) {
	p.refused(p.sys.log(level, clip(text(parts...))), "log")
}

// Now is the virtual clock: the start of the run, moved on by the work done since. It is the same again when a run is replayed.
func (p *Product) Now() time.Time { return time.Unix(0, p.sys.clock()).UTC() }

// Random is a source of random numbers that is the same again when a run is replayed. It serves as math/rand/v2's Source
// and as an io.Reader.
func (p *Product) Random() Random { return Random{p} }

// Random is the run's randomness.
type Random struct{ p *Product }

// Uint64 is the next eight bytes, little endian.
func (r Random) Uint64() uint64 {
	var b [8]byte
	_, _ = r.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// Read fills b. It fails only when the run does.
func (r Random) Read(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), abi.MaxRandom)
		if s := r.p.sys.random(rest[:n]); s != 0 {
			r.p.refused(s, "random")
			return 0, s
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// Count adds to a counter of the run.
func (p *Product) Count(name string, add float64) {
	p.refused(p.sys.metric(abi.MetricCounter, name, add), "metric "+name)
}

// Gauge sets a gauge of the run.
func (p *Product) Gauge(name string, value float64) {
	p.refused(p.sys.metric(abi.MetricGauge, name, value), "metric "+name)
}

// Decision is the answer of policy.
type Decision struct {
	Allow  bool
	Reason string
}

// Decide asks policy whether this product may do something: an action on a resource (adp://./domain/product[/port], "" for the product
// itself) for a purpose. No is an answer, not an error; it does not fail the run.
func (p *Product) Decide(action, resource, purpose string) Decision {
	request := []byte(`{"action":` + quote(action))
	if resource != "" {
		request = append(request, `,"resource":`+quote(resource)...)
	}
	if purpose != "" {
		request = append(request, `,"purpose":`+quote(purpose)...)
	}
	answer := p.DecideJSON(append(request, '}'))
	var d Decision
	if answer == nil {
		return d
	}
	if err := readObject(answer, func(key string, v jsonValue) {
		switch key {
		case "allow":
			d.Allow = v.isTrue
		case "reason":
			d.Reason = v.text
		}
	}); err != nil {
		p.Fail(errors.New("decide: the answer is not JSON: " + string(answer)))
	}
	return d
}

// DecideJSON asks policy with a request of any shape it knows, both ends JSON. It is nil when the run has failed.
func (p *Product) DecideJSON(request []byte) []byte {
	b, _ := p.fill("decide", make([]byte, 1024), func(buf []byte) int64 { return p.sys.decide(request, buf) })
	return b
}

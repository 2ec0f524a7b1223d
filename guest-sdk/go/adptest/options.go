//go:build !wasip1

package adptest

import (
	"time"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/internal/bridge"
)

// Option is a part of the product's surroundings.
type Option func(*host) error

// Input declares an input with the columns of T: see [adp.FieldsOf]. Over upsert and replace ports, T embeds [adp.Change].
func Input[T any](name string, mode adp.Mode) Option { return declare[T](inputs, name, mode, false) }

// Output declares an output with the columns of T; upsert outputs get _op beside them.
func Output[T any](name string, mode adp.Mode) Option {
	return declare[T](outputs, name, mode, mode == adp.Upsert)
}

// Sink declares a binding with write access; [Emitted] gives what was written.
func Sink[T any](name string) Option { return declare[T](bindings, name, adp.WriteAccess, false) }

// Source declares a binding with read access that answers every request with these rows.
func Source[T any](name string, rows ...T) Option {
	return SourceFunc(name, func(string) ([]T, error) { return rows, nil })
}

// SourceFunc declares a binding with read access that answers requests by a function. Its error fails the run.
func SourceFunc[T any](name string, answer func(request string) ([]T, error)) Option {
	return func(h *host) error {
		h.reads[name] = func(m *bridge.Memory, request string) (uint32, error) {
			rows, err := answer(request)
			if err != nil || len(rows) == 0 {
				return 0, err
			}
			return bridge.Encode(m, h.ports[bindings][h.find(bindings, name)].Fields, rows)
		}
		return declare[T](bindings, name, adp.ReadAccess, false)(h)
	}
}

// Config sets a setting.
func Config(key, value string) Option {
	return func(h *host) error { h.config[key] = value; return nil }
}

// WithState gives the run what earlier runs left.
func WithState(state map[string][]byte) Option {
	return func(h *host) error {
		for k, v := range state {
			h.state[k] = v
		}
		return nil
	}
}

// At sets the virtual clock, which stands at 2026-01-01T00:00:00Z otherwise.
func At(t time.Time) Option { return func(h *host) error { h.start = t; return nil } }

// Seed sets the randomness of the run.
func Seed(seed uint64) Option { return func(h *host) error { h.seed = seed; return nil } }

// Rebuilding makes the run one that recomputes everything.
func Rebuilding() Option { return func(h *host) error { h.rebuild = true; return nil } }

// Policy answers the product's questions, JSON on both ends. Without it everything is denied.
func Policy(decide func(request []byte) []byte) Option {
	return func(h *host) error { h.decide = decide; return nil }
}

func declare[T any](table int, name string, mode adp.Mode, op bool) Option {
	return func(h *host) error {
		var row T
		fields, err := adp.FieldsOf(row)
		if err != nil {
			return err
		}
		if op {
			fields = append(fields, adp.Field{Name: "_op", Kind: adp.KindString, Nullable: true})
		}
		h.ports[table] = append(h.ports[table], bridge.Port{Name: name, Mode: uint32(mode), Fields: fields})
		return nil
	}
}

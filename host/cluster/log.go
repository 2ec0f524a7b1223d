package cluster

import (
	"context"
	"fmt"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quietLogger passes on what etcd calls an error. What ends the process is always said, since it is the last word.
func quietLogger(to *slog.Logger) *zap.Logger {
	return zap.New(&slogCore{LevelEnabler: zapcore.ErrorLevel, to: to})
}

// slogCore is a zapcore.Core that writes to a slog.Logger.
type slogCore struct {
	zapcore.LevelEnabler
	to     *slog.Logger
	fields []zapcore.Field
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{c.LevelEnabler, c.to, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// harmless is what etcd calls an error and is none: a version that it writes a moment later, since its database is
// folded up once a second; its own listeners at their end; and a change of the members that was asked for twice, which the
// second who asks is told.
var harmless = map[string]bool{
	"failed to update storage version":              true,
	"setting up serving from embedded etcd failed.": true,
	"Validation on configuration change failed":     true,
}

func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if e.Level == zapcore.ErrorLevel && harmless[e.Message] {
		return nil
	}
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(enc)
	}
	to := c.to
	if e.Level > zapcore.ErrorLevel && !to.Enabled(context.Background(), slog.LevelError) {
		to = slog.Default()
	}
	to.Error("etcd: "+e.Message, "detail", fmt.Sprint(enc.Fields))
	return nil
}

func (c *slogCore) Sync() error { return nil }

package cluster

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// healthWithin is how long a member may take to say that it is well.
const healthWithin = time.Second

// Health asks each member whether it is well, and notes those that do not answer. A member that nobody can connect to is this
// process's own.
func (c *Cluster) Health(ctx context.Context, members []MemberInfo) {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	line := &http.Client{Transport: &http.Transport{TLSClientConfig: c.tls, DisableKeepAlives: true}}
	var wg sync.WaitGroup
	for i := range members {
		if m := &members[i]; m.Client != "" {
			wg.Go(func() { m.Down = !well(ctx, line, m.Client) })
		}
	}
	wg.Wait()
}

// well asks a member for itself: what it can answer without the others, and so says nothing of them.
func well(ctx context.Context, line *http.Client, client string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, client+"/health?serializable=true", nil)
	if err != nil {
		return false
	}
	res, err := line.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// tlsOf is what connections to members show: of the etcd that the node was given, or of the member that it carries.
func tlsOf(cfg Config) (*tls.Config, error) {
	if cfg.TLS != nil || cfg.Member == nil {
		return cfg.TLS, nil
	}
	return cfg.Member.Certs.Client()
}

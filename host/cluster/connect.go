package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/adp-host/adp/host"
)

const (
	// answerWithin bounds the first answer of an etcd.
	answerWithin = 10 * time.Second
	// oldestEtcd is the first version that is tested with.
	oldestEtcd = "3.7.1"
)

// connect reaches an etcd that runs elsewhere. An etcd that does not answer in time, does not accept the certificate
// or is too old is N004.
func connect(ctx context.Context, cfg Config, within time.Duration) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: cfg.Endpoints, TLS: cfg.TLS, DialTimeout: answerWithin,
		DialKeepAliveTime: 2 * time.Second, DialKeepAliveTimeout: 2 * time.Second, PermitWithoutStream: true,
		Logger: zap.NewNop(), // its errors come back to the caller
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second,
			Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}})},
	})
	if err != nil {
		return nil, failure("reaching etcd", err)
	}
	if err := greet(ctx, client, cfg, within); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// greet asks the members for their version: one answer is enough.
func greet(ctx context.Context, client *clientv3.Client, cfg Config, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	learners := map[string]bool{}
	for said := time.Now(); ctx.Err() == nil; {
		if time.Since(said) > answerWithin {
			said = time.Now()
			cfg.Log.Warn("no member of etcd answers yet", "addresses", cfg.Endpoints, "error", last)
		}
		for _, endpoint := range cfg.Endpoints {
			one, done := context.WithTimeout(ctx, answerWithin/3)
			st, err := client.Status(one, endpoint)
			done()
			if err != nil {
				last = err
				continue
			}
			if v, err := semver.NewVersion(st.Version); err != nil || v.LessThan(*semver.New(oldestEtcd)) {
				return host.Errorf(host.CodeNodeEtcd, "etcd at %s is of version %q, %s or newer is needed", endpoint, st.Version, oldestEtcd).
					WithHint("this adp embeds etcd %s", version.Version)
			}
			if st.IsLearner { // it refuses nearly everything
				learners[endpoint] = true
				continue
			}
			client.SetEndpoints(slices.DeleteFunc(slices.Clone(cfg.Endpoints), func(e string) bool { return learners[e] })...)
			return nil
		}
		pause(ctx, resendLast)
	}
	return host.Errorf(host.CodeNodeEtcd, "no etcd answers at %q: %w", cfg.Endpoints, cmp.Or(diagnose(cfg), last)).
		WithHint("is it up, and is its certificate signed by the authority that was given (--etcd-ca, --etcd-cert, --etcd-key)?")
}

// diagnose says what a connection alone meets: the calls of the client wait for one and tell nothing but that time is up.
func diagnose(cfg Config) error {
	for _, endpoint := range cfg.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil {
			return err
		}
		d := net.Dialer{Timeout: time.Second}
		if cfg.TLS == nil {
			conn, err := d.Dial("tcp", u.Host)
			if err != nil {
				return err
			}
			_ = conn.Close()
			continue
		}
		config := cfg.TLS.Clone()
		config.NextProtos = []string{"h2"}
		conn, err := tls.DialWithDialer(&d, "tcp", u.Host, config)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second)) // the other side tells only now what it thinks of our certificate
		if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return nil
}

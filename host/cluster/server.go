package cluster

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"google.golang.org/grpc"

	"github.com/adp-host/adp/host"
)

// server is the embedded etcd of one node, reached in process. Alone it is a single member that nobody can connect to.
type server struct {
	lock   *fileutil.LockedFile
	etcd   *embed.Etcd
	client *clientv3.Client
	space  *space // nil until etcd is ready

	mu    sync.Mutex
	calls []*grpc.Server // of clients elsewhere
}

// Sizes of etcd that suit a node better than those of a dedicated machine.
const (
	// walSegment is preallocated twice. etcd's own 64 MB would not start on a small disk, and a laptop needs no more.
	walSegment = 8 << 20
	// keepRevisions is how far back a watch can resume and a listing can page; older revisions are compacted.
	keepRevisions = "10000"
	// dbReserve is allocated beyond the end of etcd's database. etcd ends the process when it cannot write a page, and
	// what fills a disk is data, not heads: with this much in hand it outlives a full disk.
	dbReserve = 8 << 20
	// maxTxnOps bounds how many products one step can register.
	maxTxnOps = 4096
	// snapshotCount and catchUpEntries bound the raft log in memory; etcd's defaults are for followers that lag.
	snapshotCount  = 2500
	catchUpEntries = 500
	// batchInterval is how often etcd folds its fsynced log into its database. It waits for the next time whether or not
	// there is something, which is most of what an idle node does at the default of 100 ms; a crash replays the log.
	batchInterval = time.Second
)

// segmentSize sets etcd's process-wide segment size once, before the first server reads it.
var segmentSize = sync.OnceFunc(func() { wal.SegmentSizeBytes = walSegment })

func startServer(ctx context.Context, cfg Config) (*server, error) {
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	segmentSize()
	s := &server{lock: lock}
	c := embedConfig(cfg)
	c.ServiceRegister = s.serves
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, errors.Join(host.Errorf(host.CodeNodeEtcd, "etcd does not start on %s: %w", cfg.Dir, err), lock.Close())
	}
	s.etcd, s.client = e, v3client.New(e.Server)
	select {
	case <-e.Server.ReadyNotify():
		if err := reserve(filepath.Join(cfg.Dir, "member", "snap", "db"), dbReserve); err != nil {
			cfg.Log.Warn("etcd has no room in reserve", "error", err)
		}
		s.space = keepSpace(s.client, e.Server, cfg)
		return s, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-e.Server.StopNotify():
		err = errors.New("it stopped by itself")
	}
	return nil, errors.Join(host.Errorf(host.CodeNodeEtcd, "etcd does not become ready on %s: %w", cfg.Dir, err), s.close())
}

// lockDir makes the folder and takes it. The lock goes with the process, however it ends; etcd's own would be waited for.
func lockDir(dir string) (*fileutil.LockedFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "folder of etcd: %w", err)
	}
	lock, err := fileutil.TryLockFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, host.Errorf(host.CodeNodeInUse, "another process uses %s", dir).
			WithHint("a node runs on this data directory: ask it, stop it first, or give --data another folder")
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "lock of %s: %w", dir, err)
	}
	return lock, nil
}

// embedConfig is a member of etcd. Without Member it has no listeners: nothing to connect to is nothing to protect, and
// no port can be taken.
func embedConfig(cfg Config) *embed.Config {
	c := embed.NewConfig()
	c.Name, c.Dir = "adp", cfg.Dir
	if m := cfg.Member; m != nil {
		m.configure(c)
	} else {
		nowhere := url.URL{Scheme: "http", Host: "localhost:0"}
		c.ListenPeerUrls, c.ListenClientUrls, c.AdvertiseClientUrls = nil, nil, nil
		c.AdvertisePeerUrls = []url.URL{nowhere}
		c.InitialCluster = c.Name + "=" + nowhere.String()
	}
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(quietLogger(cfg.Log))
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModeRevision, keepRevisions
	c.MaxTxnOps = maxTxnOps
	c.BackendBatchInterval = batchInterval
	c.SnapshotCount, c.SnapshotCatchUpEntries = snapshotCount, catchUpEntries
	if cfg.Etcd != nil {
		cfg.Etcd(c)
	}
	return c
}

// serves is told of what answers clients elsewhere.
func (s *server) serves(calls *grpc.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, calls)
}

// grace is what calls of clients elsewhere have to end when a member closes.
const grace = 300 * time.Millisecond

// closeEtcd ends the calls of clients elsewhere when they have been told to turn to other members, and had time to. Those that watch never
// end by themselves: etcd would wait for them, for as long as a request may take, while they wait for etcd.
func (s *server) closeEtcd() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.etcd.Close()
	}()
	select {
	case <-closed:
	case <-time.After(grace):
		s.mu.Lock()
		for _, calls := range s.calls {
			calls.Stop()
		}
		s.mu.Unlock()
		<-closed
	}
}

func (s *server) close() error {
	if s.space != nil {
		s.space.end()
	}
	err := s.client.Close()
	if errors.Is(err, context.Canceled) { // how the in-process client says that it has closed
		err = nil
	}
	s.closeEtcd()
	return errors.Join(err, s.lock.Close())
}

// Lock keeps the folder of an embedded etcd from being used until unlock is called, also where the folder is renamed. It
// fails with N003 when another process uses it.
func Lock(dir string) (unlock func(), err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

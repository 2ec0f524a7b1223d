package cluster

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"

	"github.com/adp-host/adp/host"
)

const (
	// lookEvery is how often a member looks how full its database is, and spaceWithin how long it may take to make space.
	lookEvery   = 5 * time.Second
	spaceWithin = 30 * time.Second
)

// space keeps the database of one member below its quota. A database that reaches it takes no writes any more, and etcd
// leaves it to its operator to make space and say so; an embedded etcd has none but this.
type space struct {
	client     *clientv3.Client
	defragment func() error // past the client, which in process lacks what it needs for it
	dir        string
	log        *slog.Logger
	stop       context.CancelFunc
	wg         sync.WaitGroup
}

func keepSpace(client *clientv3.Client, etcd *etcdserver.EtcdServer, cfg Config) *space {
	ctx, cancel := context.WithCancel(context.Background())
	s := &space{client: client, defragment: etcd.Defragment, dir: cfg.Dir, log: cfg.Log, stop: cancel}
	s.wg.Go(func() {
		for ctx.Err() == nil {
			pause(ctx, lookEvery)
			limited, cancel := context.WithTimeout(ctx, spaceWithin)
			if err := s.look(limited); err != nil && ctx.Err() == nil {
				s.log.Warn("no space was made in etcd's database", "error", err)
			}
			cancel()
		}
	})
	return s
}

func (s *space) end() {
	s.stop()
	s.wg.Wait()
}

// look makes space when three quarters of the quota are used, or all of it.
func (s *space) look(ctx context.Context) error {
	now, err := s.client.Status(ctx, "")
	if err != nil || now.IsLearner {
		return err
	}
	alarm := &clientv3.AlarmMember{MemberID: now.Header.MemberId, Alarm: etcdserverpb.AlarmType_NOSPACE}
	alarmed, err := s.alarmed(ctx, alarm)
	if err != nil || !alarmed && now.DbSize < now.DbSizeQuota/4*3 {
		return err
	}
	if err := s.shrink(ctx, now.Header.Revision); err != nil {
		return err
	}
	then, err := s.client.Status(ctx, "")
	if err != nil {
		return err
	}
	s.log.Info("made space in etcd's database", "bytes", then.DbSize, "before", now.DbSize, "quota", now.DbSizeQuota)
	if then.DbSize > now.DbSizeQuota/10*9 {
		return host.Errorf(host.CodeNodeFull, "%d of %d bytes of etcd's database are in use", then.DbSize, now.DbSizeQuota)
	}
	if alarmed {
		_, err = s.client.AlarmDisarm(ctx, alarm)
	}
	return err
}

func (s *space) alarmed(ctx context.Context, own *clientv3.AlarmMember) (bool, error) {
	all, err := s.client.AlarmList(ctx)
	if err != nil {
		return false, err
	}
	for _, a := range all.Alarms {
		if a.MemberID == own.MemberID && a.Alarm == own.Alarm {
			return true, nil
		}
	}
	return false, nil
}

// shrink forgets old revisions, which watches that lag behind list anew, and gives what they took back to the disk. The
// member stands still for as long as it copies what is left.
func (s *space) shrink(ctx context.Context, revision int64) error {
	if _, err := s.client.Compact(ctx, revision, clientv3.WithCompactPhysical()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return err
	}
	now, err := s.client.Status(ctx, "")
	if err != nil || now.DbSizeInUse > now.DbSize/4*3 { // not worth it
		return err
	}
	if err := s.defragment(); err != nil {
		return err
	}
	return reserve(filepath.Join(s.dir, "member", "snap", "db"), dbReserve)
}

// full says of a refused write that there is no space, and what happens now.
func full(what string, err error) error {
	return host.Errorf(host.CodeNodeFull, "%s: etcd's database has reached its quota and takes no writes: %w", what, err).
		WithHint("what is published stays readable; adp makes space in an etcd that it embeds within seconds, in your own: etcdctl compact, then defrag, then alarm disarm")
}

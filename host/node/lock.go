package node

import (
	"net/url"
	"os"
	"path/filepath"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
)

// usersDir is the folder, beside the store, in which each node that uses it holds a lock.
const usersDir = "nodes"

// lock takes the node's data directory, whatever etcd it uses, and shows beside the store that somebody uses it. Locks go
// with the process. It fails with N003 when another process has the data directory.
func (n *Node) lock() error {
	unlock, err := cluster.Lock(n.cfg.Data)
	if err != nil {
		return err
	}
	n.unlock = append(n.unlock, unlock)
	name := url.PathEscape(n.cfg.Name) + "." + n.identity
	unlock, err = cluster.Lock(filepath.Join(n.cfg.Fleet.Shared, usersDir, name))
	if err != nil { // some shared folders know no locks
		n.log.Warn("a recovery cannot see that this node uses the store", "error", err)
		return nil
	}
	n.unlock = append(n.unlock, unlock)
	return nil
}

// lock keeps nodes away: from the data directory, and from other folders. It fails with N003 when a node runs on one of them
// or, as far as locks of the shared folder tell, on the store.
func (r *Recovery) lock(dirs ...string) (unlock func(), err error) {
	var held []func()
	unlock = func() {
		for _, u := range held {
			u()
		}
	}
	if _, err := os.Stat(r.Data); err == nil {
		dirs = append(dirs, r.Data)
	}
	users := filepath.Join(r.Shared, usersDir)
	there, err := os.ReadDir(users)
	if err != nil && !os.IsNotExist(err) {
		return unlock, host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	for _, d := range there {
		dirs = append(dirs, filepath.Join(users, d.Name()))
	}
	for _, dir := range dirs {
		u, err := cluster.Lock(dir)
		if err != nil {
			unlock()
			return func() {}, err
		}
		held = append(held, u)
	}
	return unlock, nil
}

// Package cluster is what the nodes of a mesh agree on: which products exist, who runs each of them, and which head of
// each is the newest. It keeps that in etcd and is the only package that knows etcd.
//
// Three keys a product carry the protocol:
//
//	/adp/v1/spec/<tenant>/<domain>/<product>  what is to run: a host.Spec, changed by comparing its generation
//	/adp/v1/own/<tenant>/<domain>/<product>   who runs it: node and epoch; never deleted, so an epoch is never reused
//	/adp/v1/head/<tenant>/<domain>/<product>  the newest head: a host.Pointer, moved by the owner only
//
// and a fourth those that have written to drivers:
//
//	/adp/v1/out/<tenant>/<domain>/<product>   how far their effects are delivered: a host.Delivered, moved by the owner
//
// beside /adp/v1/meta (format and identity of the mesh), /adp/v1/node/<id> (leased: the node is probably alive) and
// /adp/v1/idx/<node>/… (what a node owns; written together with own).
//
// A lease says that a node is probably alive; it makes nothing safe. Safety is one comparison: a commit succeeds only
// while the revision of own is the one that the committer claimed, and the head is the one it built upon. When the
// result of a transaction is unknown, the identical transaction is sent again until the result is known; it is never
// rebuilt, because then it could succeed twice.
package cluster

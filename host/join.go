package host

// JoinFormat is the version of what nodes of one mesh say to each other and keep in etcd and the store. Nodes of
// different formats do not join.
const JoinFormat = 1

// JoinRequest is what a node says that wants to join a mesh.
type JoinRequest struct {
	Name    string `json:"name"`
	Format  int    `json:"format"`
	Version string `json:"version"` // of adp, for people
	// Request is a request for a certificate, in PEM. The key stays where it was made.
	Request string `json:"request"`
}

// JoinAnswer is what it needs.
type JoinAnswer struct {
	Mesh        string   `json:"mesh"`
	Authority   string   `json:"authority"`   // certificate of the mesh's authority, in PEM
	Certificate string   `json:"certificate"` // the node's own, in PEM
	Endpoints   []string `json:"endpoints"`   // of etcd
	Shared      string   `json:"shared"`      // folder of the store, which the node must reach under this path
}

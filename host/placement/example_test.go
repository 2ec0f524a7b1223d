package placement_test

import (
	"fmt"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/placement"
)

// A node is drained: its products go where they fit, and what fits nowhere else says why it stays.
func Example() {
	id := func(name string) host.ProductID { return host.ProductID{Tenant: "local", Domain: "safety", Name: name} }
	state := placement.State{
		Nodes: []placement.Node{
			{ID: "n1", Alive: true, Draining: true, Features: []string{"duckdb"}},
			{ID: "n2", Alive: true},
			{ID: "n3", Alive: true, Cordoned: true},
		},
		Products: []placement.Product{
			{ID: id("birdstrikes"), Owner: "n1", Wish: "n1"},
			{ID: id("report"), Owner: "n1", Wish: "n1", Need: placement.Need{Features: []string{"duckdb"}}},
		},
	}
	for _, move := range placement.Plan(state) {
		fmt.Println(move)
	}
	why, _ := placement.Explain(state, id("report"))
	fmt.Println(why.Summary)
	for _, n := range why.Nodes {
		fmt.Println("-", n.Reason)
	}
	// Output:
	// hand local/safety/birdstrikes from n1 to n2: node n1 is draining; n2 is the only node that fits
	// on node n1, though node n1 is draining: none of 3 nodes fits (node n2 cannot do duckdb, and another likewise; node n1 is draining)
	// - node n1 is draining
	// - node n2 cannot do duckdb
	// - node n3 cannot do duckdb
}

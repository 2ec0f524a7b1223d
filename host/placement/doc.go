// Package placement decides which node runs which product. It is pure: Plan turns a State (nodes, products with what
// they need, who owns them, the tenants' quotas) into Moves, and Fits says whether one node may take one product. It
// reads no clock, no file and no etcd, so that the elected scheduler, a simulation and a person asking "why here, why
// nowhere" (Explain) get the same answer from the same state.
//
// Plan works in three steps. Seat: whatever may stay where it is stays. Settle: what has no seat, or sits on a node
// that is dead or drained, goes to the node that carries least for its slots among those that fit. Balance: only where
// two nodes differ by more than an eighth is anything moved for the sake of balance, and then until they are nearly
// level. A plan therefore leaves nothing to plan: Plan of the state after it is empty.
//
// What a product needs and what tenants and nodes are limited to are hard: a product that fits nowhere runs nowhere.
// Where load lies is a wish: it never moves a product to a place that does not fit.
package placement

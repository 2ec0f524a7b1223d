// Package placement decides which node runs which product. It is pure: Plan turns a State (nodes, products with what
// they need, who owns them, the tenants' quotas) into Moves, and Fits says whether one node may take one product. It
// reads no clock, no file and no etcd, so that the elected scheduler, a simulation and a person asking "why here, why
// nowhere" (Explain) get the same answer from the same state.
//
// Plan works in three steps. Seat: whatever may stay where it is stays. Settle: what has no seat, or sits on a node
// that is dead or drained, goes to the node that carries least for its slots among those that fit. Balance: only where
// two nodes differ by more than an eighth is anything moved for the sake of balance, and then until they are nearly
// level. Settle and balance take turns until neither finds anything, so that a plan leaves nothing to plan.
//
// A plan is a set of wishes, not of facts: ownership moves when one node releases and another claims. Meanwhile Plan
// counts a product where it is wanted (Product.Wish), so that it can be asked again at any time.
//
// What a product needs and what tenants and nodes are limited to are hard: a product that fits nowhere runs nowhere.
// Balance comes last: it never moves a product to a place that does not fit.
package placement

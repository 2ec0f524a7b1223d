// Package node assembles the rooms of the house into a running node: it owns products, wakes each of them when one
// of its own inputs changes, and answers what the wires ask. It is the only place where siblings meet.
//
// No part of it knows the graph of products: a product is woken by its inputs, its schedule or a trigger, runs, and
// commits; whoever reads its outputs is woken by the commit in turn.
package node

// Package clause holds a guest module against the clauses of abi/SPEC.md, one finding a clause, for modules made with any
// tool. It plays the host's part itself, call by call, in the real sandbox: so it can lay batches down in every way the SPEC allows,
// take back what it lent, answer what no host has answered yet, and see whether the guest still does the same.
package clause

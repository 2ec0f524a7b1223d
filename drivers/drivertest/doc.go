// Package drivertest is the conformance suite that every driver passes: one function for each contract of package
// drivers. A driver's own test calls those that it implements and adds what only its technology can break.
package drivertest

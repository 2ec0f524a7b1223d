// Package rest serves a node over HTTP: the global URL of every product, its changes, its page for people, and the
// API that the command line uses. It is the only user of echo.
//
// The package knows no other room of the house. What it needs (a catalogue, tables, control, identities, decisions) it
// declares in rooms.go and receives in a Config; host/node plugs them in.
//
// Three rules hold on every path. One: before any byte of a resource leaves, the decider is asked exactly once with
// who and what. Two: a response is the whole truth or an error: a failure before the first byte is a problem document,
// a failure after it cuts the connection, so that half an answer never looks like one. Three: nothing is read whole
// that can be streamed, and everything that is kept in memory is bounded.
package rest

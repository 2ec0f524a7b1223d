// Package arrowtext writes Arrow record batches as text: CSV, and JSON in lines or as an array. Drivers write files with it
// and the wires answer with it, so that a value looks the same wherever it is read.
package arrowtext

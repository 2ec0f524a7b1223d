//go:build !amd64

package cdata

// The wide scans are of amd64; elsewhere all is scanned by words.

func nan64Wide(b []byte) (found bool, rest []byte)   { return false, b }
func nan32Wide(b []byte) (found bool, rest []byte)   { return false, b }
func falls32Wide(b []byte) (found bool, rest []byte) { return false, b }
func falls64Wide(b []byte) (found bool, rest []byte) { return false, b }
func highWide(b []byte) (found bool, rest []byte)    { return false, b }

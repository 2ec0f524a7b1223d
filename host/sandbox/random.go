package sandbox

import (
	"crypto/sha256"
	"math/rand/v2"
)

// seeded is the stream of random bytes that a seed gives, the same on every node and in every version: ChaCha8 under
// the SHA-256 of the parts. It is not secret, nor meant to be: a run can be replayed from its head.
func seeded(parts ...string) *rand.ChaCha8 {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return rand.NewChaCha8([32]byte(h.Sum(nil)))
}

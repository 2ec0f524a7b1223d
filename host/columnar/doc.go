// Package columnar maps host schemas to Arrow and offers the few row-level operations that several rooms need:
// schemas with reserved columns, row values for people, row hashes and key encodings.
package columnar

// Package manifest reads and writes the documents of a product: an ODPS 1.x product and ODCS 3.x contracts, with adp's
// own settings in the product's customProperties under "adp".
//
// Documents are kept as they were written: what is not changed is byte for byte the same, and what is filled in is
// inserted without touching the rest. Every problem of a document is reported, with its place, the line and a hint.
// The adp block and the rules are described for people in REFERENCE.md.
//
// Nothing here does I/O beyond the fs.FS that the caller gives.
package manifest

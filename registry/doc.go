// Package registry keeps artifacts and knows the products of a mesh.
//
// An artifact is a product ready to run: its module, documents, tests and compiled declaration, under one digest. The
// store is an OCI image layout, so that other tools can copy it. Every byte is verified against its digest when it is
// read. The catalogue searches products, orders versions, and follows lineage from input to output.
package registry

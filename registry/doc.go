// Package registry keeps the artifacts of products and describes the products of a mesh.
//
// Store is a folder in the OCI image layout: an artifact is a manifest that names, by their sha256, the compiled
// product, the Wasm module, the documents and the tests. Equal content has an equal digest; whatever is read is checked
// against its digest. An artifact travels as one file, the tar of a layout that holds it alone (Export, Import).
//
// Find searches the products of a mesh, Versions lists the artifacts of one, Lineage follows who feeds whom.
package registry

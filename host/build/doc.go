// Package build makes artifacts from the folders of products: it writes a product to begin with, compiles the logic
// with the SDK sources that the binary carries, has the documents checked and the module judged by the sandbox, and
// packs what came of it.
//
// A build needs the language's own compiler and nothing else of this project: the SDK is unpacked into a cache folder
// and handed to the compiler from outside (a go.work, a Cargo patch), so that neither a published module nor a copy of
// the repository is needed and a product's own files stay as its team wrote them. The same sources, SDK and compiler
// give the same bytes, wherever they lie.
package build

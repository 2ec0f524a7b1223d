// Package run is one run of a product, start to commit: read the head, pull new input batches from the cursors, let the
// guest work on them, check what it emits, stage the files and the new head, and publish all of it, or nothing, by one
// transaction.
//
// Everything that a run writes lies in a folder of its own, products/<tenant>/<domain>/<name>/e<epoch>/s<seq>/<uuid>,
// and nobody refers to it before the commit. So a run can end at any moment, by an error or with the process, and the
// last good snapshot stays as it was; what it left behind is an orphan that the rule of epochs and seqs recognises.
//
// The package knows its rooms only by the interfaces in rooms.go.
package run

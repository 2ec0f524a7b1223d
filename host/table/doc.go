// Package table keeps output ports as Iceberg v2 tables over a drivers.Store.
//
// A commit of a port is staged: rows come in through a Stage, Finish writes Parquet data files, position deletes, a
// change file, manifests and the table's metadata as new files of the attempt's folder, and gives back the port's new
// host.OutputRef. Nothing refers to these files until the caller's own transaction publishes the head that names them,
// so an attempt that is dropped leaves the table as it was. The package is the only user of iceberg-go, and of it takes
// the wire formats and the metadata rules, never its commit.
//
// Reading applies deletes, follows the table's schema as the contract grows, and survives damaged files: what cannot be
// decoded is a host.Error of code T004.
package table

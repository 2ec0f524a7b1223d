// Package file reaches local files: Store keeps immutable files under one folder, Driver reads folders and single
// files of CSV, NDJSON and Parquet as Arrow record batches.
package file

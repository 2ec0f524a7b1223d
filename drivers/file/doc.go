// Package file reaches local files: Store keeps immutable files under one folder, Driver reads folders and single
// files of CSV, NDJSON and Parquet as Arrow record batches, and writes the effects of products as such files.
//
// # Sources
//
// A source is file: and an absolute path. A folder's files are read in the order of their names; hidden and temporary
// files (names that begin with ., _ or ~, or end in ~, .tmp, .part and the like), files whose name tells no format, and
// empty files are left out. Symbolic links may not lead out of the folder.
//
// A file counts as complete when its size and time have rested for a window (half a second, option quiet): a file that is
// moved in is read at once if it is older, one that is written in place when its writer has stopped. A text whose last line
// has no end must rest ten times as long. A file that changes while it is read makes the read fail with drivers.ErrMoving; nothing of it may be kept.
//
// Read incrementally, every file is read once. A file that differs from what was read is an error that wraps
// drivers.ErrChanged and names it: nothing is doubled. The same bytes with another time are no change. A file that was
// removed after it was read is nothing. Read as a snapshot, whatever is there is the table's version.
//
// # Rows
//
// Columns are found by name: by the option column.NAME, else the same name, else the one name that differs in case and
// punctuation only ("Airport Name" is airport_name). A required column that is missing is an error; a nullable one is
// null; others are ignored unless the option strict is set. A row that does not parse is rejected, with its line, its
// column, the reason and its text, and no other row with it.
//
// In CSV an empty value is null, and "" is the empty text where the column is text. Dates and times are ISO 8601, or
// as the option format.NAME says (strftime, or epoch_s, epoch_ms, epoch_us, epoch_ns); digits beyond microseconds are
// cut. Text without a zone is UTC in a column with one; text with a zone does not fit a column without. Lists and
// structs in CSV are JSON. Binary columns are base64 in text.
//
// Parquet columns become the wanted type where that keeps the value: integers and floats of other widths, decimals of
// other scales, other units of time, texts that parse. A value that does not fit rejects its row.
//
// # Targets
//
// A target is file: and the absolute path of a folder. Each effect is one file in it, complete when it appears, named
// by product, commit and ordinal, so that names sort as effects were written. RATIONALE.md says what a folder can promise.
package file

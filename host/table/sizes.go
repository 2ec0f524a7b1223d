package table

// sizes say when files are cut, merged and rewritten. They are settings so that tests reach every path with few rows.
type sizes struct {
	// rowGroupRows is the unit of encoding, of parallel reading, and of fetching single rows.
	rowGroupRows int64
	// fileBytes is where a data file ends and the next begins: large enough for engines that plan by file, small enough
	// that rewriting one is cheap.
	fileBytes int64
	// changeRows is how many changed rows are put together at a time.
	changeRows int
	// windowRows is the distance up to which wanted rows are read together, and windowCost the number of rows of a row
	// group that could be decoded in the time that one such window takes.
	windowRows, windowCost int64

	// smallRows is the size of a data file that is rewritten at once when a row of it is deleted, so that small tables
	// have no delete files at all.
	smallRows int64
	// deadShare is the fraction (one in so many) of deleted rows from which a larger file is rewritten.
	deadShare int64
	// mergeRun is the number of neighbouring data files of a tier that become one.
	mergeRun int
	// tierBytes bound the tiers of file sizes, small first. A row is rewritten by merging about once a tier; files above
	// the last are left alone.
	tierBytes []int64

	// mergeManifests is the number of data manifests at which the small ones at the end become one.
	mergeManifests int
	// smallManifest is the most entries of a manifest that is merged.
	smallManifest int
	// consolidateDeletes is the most deleted positions that are rewritten into one delete file at every commit.
	consolidateDeletes int64
	// mergeDeletes is the number of delete files at which they become one in any case.
	mergeDeletes int
}

var defaultSizes = sizes{
	rowGroupRows: 128 << 10, fileBytes: 256 << 20, changeRows: 32 << 10, windowRows: 1024, windowCost: 4096,
	smallRows: 4096, deadShare: 4, mergeRun: 16, tierBytes: []int64{256 << 10, 4 << 20, 64 << 20},
	mergeManifests: 16, smallManifest: 512, consolidateDeletes: 32 << 10, mergeDeletes: 8,
}

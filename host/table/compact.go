package table

import (
	"context"

	"github.com/adp-host/adp/host"
)

// span is a run of neighbouring files, from inclusive, to exclusive.
type span struct{ from, to int }

// compactions lists the runs of files that are due to be rewritten, in order. Compaction keeps scans cheap and rides on
// commits that change the table anyway. It rewrites data files; change files and the files of older snapshots stay.
func (z *sizes) compactions(files []dataFile) []span {
	due := make([]bool, len(files))
	for i, f := range files {
		dead := f.dead.count()
		due[i] = dead > 0 && (f.rows <= z.smallRows || dead*z.deadShare > f.rows)
	}
	for _, limit := range z.tierBytes {
		for i := 0; i < len(files); i++ {
			j, largest, total := i, int64(0), int64(0)
			for j < len(files) && files[j].bytes < limit {
				largest, total = max(largest, files[j].bytes), total+files[j].bytes
				j++
			}
			// A large file is not rewritten for a few small neighbours: these wait until they are many by themselves.
			if j-i >= z.mergeRun && 2*largest <= total {
				for k := i; k < j; k++ {
					due[k] = true
				}
			}
			i = max(i, j)
		}
	}
	var out []span
	for i := 0; i < len(files); i++ {
		if !due[i] {
			continue
		}
		j := i
		for j < len(files) && due[j] {
			j++
		}
		out = append(out, span{i, j})
		i = j
	}
	return out
}

// dropDead leaves out files of which no row is left.
func dropDead(files []dataFile) []dataFile {
	out := make([]dataFile, 0, len(files))
	for _, f := range files {
		if f.live() > 0 {
			out = append(out, f)
		}
	}
	return out
}

// output are data files that a commit has written, and the places of keys in them.
type output struct {
	files  []dataFile
	bounds []int64 // position of the first row of each file
	keys   []keyed
}

// keyed is a key and the position of its row in an output.
type keyed struct {
	k  key
	at int64
}

// puts says where the keys now are.
func (o *output) puts() []keyPut {
	out := make([]keyPut, len(o.keys))
	for i, k := range o.keys {
		sp := spotOf(o.bounds, k.at)
		out[i] = keyPut{k.k, o.files[sp.file].name, sp.row}
	}
	return out
}

// refs are the files as change files: every row in them is new.
func (o *output) refs() []host.FileRef {
	var out []host.FileRef
	for _, f := range o.files {
		out = append(out, host.FileRef{Location: f.name, Hash: f.sum.String(), Bytes: f.bytes, Rows: f.rows})
	}
	return out
}

// collect completes a writer's files as data files of the commit.
func (c *commit) collect(w *rowWriter) (*output, error) {
	done, err := w.close()
	if err != nil {
		return nil, err
	}
	return c.output(done)
}

func (c *commit) output(done []written) (*output, error) {
	out := &output{}
	at := int64(0)
	for _, f := range done {
		d, err := c.dataFile(f)
		if err != nil {
			return nil, err
		}
		out.files, out.bounds = append(out.files, d), append(out.bounds, at)
		at += f.rows
	}
	return out, nil
}

// rewrite copies the live rows of files into new ones, with tail, if any, behind them.
func (s *stage) rewrite(ctx context.Context, c *commit, files []dataFile, tail func(w *rowWriter) ([]keyed, error)) (*output, error) {
	w := s.newWriter(ctx)
	defer w.abort()
	var keys []keyed
	err := s.t.each(ctx, files, s.to.arrow, false, func(p part) error {
		at := w.rows
		if err := w.add(p.rec); err != nil || s.keyAt == nil {
			return err
		}
		return s.t.hash.rows(columnsOf(p.rec, s.keyAt), p.rec.NumRows(), func(i int64, k key, _ bool) error {
			keys = append(keys, keyed{k, at + i})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if tail != nil {
		more, err := tail(w)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	out, err := c.collect(w)
	if err == nil {
		out.keys = keys
	}
	return out, err
}

// compact rewrites what is due of the previous snapshot's files and gives the list with the rewritten files in their
// places. tail, if any, goes behind the last file when that is rewritten and small: folded says so.
func (s *stage) compact(ctx context.Context, c *commit, files []dataFile, tail func(w *rowWriter) ([]keyed, error)) (next []dataFile, folded bool, err error) {
	at := 0
	for _, sp := range s.t.sizes.compactions(files) {
		next = append(next, files[at:sp.from]...)
		run := files[sp.from:sp.to]
		at = sp.to
		behind := tail
		if sp.to < len(files) || countRows(run) > s.t.sizes.smallRows {
			behind = nil
		}
		out, err := s.rewrite(ctx, c, run, behind)
		if err != nil {
			return nil, false, err
		}
		folded = behind != nil
		next = append(next, out.files...)
		s.delta.put = append(s.delta.put, out.puts()...)
	}
	return append(next, files[at:]...), folded, nil
}

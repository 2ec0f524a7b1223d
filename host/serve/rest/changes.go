package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/util"
	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers/arrowtext"
	"github.com/adp-host/adp/host"
)

// A page of changes is kept whole until it is sent, since its end decides the cursor that goes into its headers.
const (
	defaultPageRows = 1000
	maxPageRows     = 100_000
	maxPageBytes    = 32 << 20
)

// getChanges answers /d/domain/product[/port]/changes.
func (s *Server) getChanges(c echo.Context) error {
	t := s.target(c)
	if t.format != "" { // …/port.csv/changes
		return host.Errorf(host.CodeAccessUnknown, "there is nothing at %s", c.Request().URL.Path).
			WithHint("the extension comes last: changes.%s", t.format)
	}
	return s.sendChanges(c, t)
}

func (s *Server) sendChanges(c echo.Context, t target) error {
	r := c.Request()
	c.Response().Header().Add("Vary", "Accept, Accept-Encoding, Authorization")
	allowed := []format{formatJSON, formatNDJSON, formatCSV, formatArrow}
	switch t.format {
	case "":
		var err error
		if t.format, err = negotiate(r.Header.Get("Accept"), allowed...); err != nil {
			return err
		}
	case formatParquet, formatHTML:
		return host.Errorf(host.CodeAccessFormat, "changes have no representation %q", "."+string(t.format)).
			WithHint("choose one of .json .ndjson .csv .arrow")
	}
	q, err := parseQuery(r.URL.RawQuery, changeParams)
	if err != nil {
		return err
	}
	st, port, err := s.resolve(c, t)
	if err != nil {
		return err
	}
	if port == nil {
		return s.choices(c, st)
	}
	page, err := s.readChanges(r.Context(), t.id, port.Name, q)
	if err != nil {
		return err
	}
	defer page.release()
	return s.sendPage(c, t.format, page)
}

// page is a bounded piece of a change feed.
type page struct {
	schema  *arrow.Schema
	batches []arrow.RecordBatch
	rows    int64
	bytes   int64
	next    cursor
	more    bool // there was more when the page was read
	latest  host.Seq
}

func (p *page) release() {
	for _, b := range p.batches {
		b.Release()
	}
}

func (s *Server) readChanges(ctx context.Context, id host.ProductID, port string, q query) (*page, error) {
	from, err := parseCursor(q.since, id.Domain+"/"+id.Name+"/"+port)
	if err != nil {
		return nil, err
	}
	limit := int64(defaultPageRows)
	switch {
	case q.limit == 0:
		return nil, badQuery("limit=0 would never get anywhere")
	case q.limit > maxPageRows:
		return nil, badQuery("a page has at most %d rows", maxPageRows)
	case q.limit > 0:
		limit = q.limit
	}
	feed, err := s.cfg.Tables.Changes(ctx, id, port, from.After)
	if err != nil {
		return nil, err
	}
	defer feed.Close()
	if from.After > feed.Latest() { // of a mesh that has since lost its memory
		return nil, expired(from)
	}
	schema, err := projected(feed.Schema(), withReserved(q.columns))
	if err != nil {
		return nil, err
	}
	p := &page{schema: schema, next: from, latest: feed.Latest()}
	if err := p.fill(ctx, feed, limit); err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

// withReserved keeps _op and _seq in every projection: without them a change means nothing.
func withReserved(columns []string) []string {
	if columns == nil {
		return nil
	}
	var out []string
	for _, c := range columns {
		if c != abi.ColumnOp && c != abi.ColumnSeq {
			out = append(out, c)
		}
	}
	return append(out, abi.ColumnOp, abi.ColumnSeq)
}

// fill reads to the end of the feed or to the page's bounds, and moves the cursor along. At least one row is taken, so
// that a reader always gets on.
func (p *page) fill(ctx context.Context, feed Feed, limit int64) error {
	start := p.next
	skip := start.Skip
	for {
		rec, err := feed.Next(ctx)
		if errors.Is(err, io.EOF) {
			if skip > 0 {
				return expired(start)
			}
			p.next = cursor{Port: start.Port, After: max(p.latest, start.After)}
			return nil
		}
		if err != nil {
			return err
		}
		p.more, err = p.take(rec, limit, &skip, start)
		rec.Release()
		if err != nil || p.more {
			return err
		}
	}
}

func expired(c cursor) error {
	return host.Errorf(host.CodeAccessExpired, "what follows this cursor of %s is no longer kept", c.Port).
		WithHint("leave since out to begin anew with the oldest state that is kept")
}

// take adds the rows of a batch; full reports that rows were left over.
func (p *page) take(rec arrow.RecordBatch, limit int64, skip *int64, start cursor) (full bool, err error) {
	at := rec.Schema().FieldIndices(abi.ColumnSeq)
	if len(at) == 0 {
		return false, fmt.Errorf("a change batch lacks %s: %s", abi.ColumnSeq, rec.Schema())
	}
	seqs, ok := rec.Column(at[0]).(*array.Int64)
	if !ok {
		return false, fmt.Errorf("%s of a change batch is %s", abi.ColumnSeq, rec.Column(at[0]).DataType())
	}
	lo, n := int64(0), rec.NumRows()
	if *skip > 0 && n > 0 { // rows that the page before has sent: still those of the same seq, or the feed has moved
		lo = min(*skip, n)
		for i := range lo {
			if host.Seq(seqs.Value(int(i))) != start.In {
				return false, expired(start)
			}
		}
		*skip -= lo
	}
	hi := min(n, lo+limit-p.rows)
	if hi > lo {
		if p.bytes >= maxPageBytes {
			return true, nil
		}
		hi = lo + p.fitting(rec, lo, hi)
		p.add(rec, lo, hi)
		for i := lo; i < hi; i++ {
			p.next.advance(host.Seq(seqs.Value(int(i))))
		}
	}
	return hi < n, nil
}

// fitting is how many rows of rec from lo to hi the page has bytes for, by their average size; at least one.
func (p *page) fitting(rec arrow.RecordBatch, lo, hi int64) int64 {
	average := max(util.TotalRecordSize(rec)/rec.NumRows(), 1)
	room := (maxPageBytes - p.bytes) / average
	return max(1, min(hi-lo, room))
}

func (p *page) add(rec arrow.RecordBatch, lo, hi int64) {
	cols := make([]arrow.Array, p.schema.NumFields())
	for i, f := range p.schema.Fields() {
		cols[i] = rec.Column(rec.Schema().FieldIndices(f.Name)[0])
	}
	whole := array.NewRecordBatch(p.schema, cols, rec.NumRows())
	defer whole.Release()
	p.batches = append(p.batches, whole.NewSlice(lo, hi))
	p.rows += hi - lo
	p.bytes += util.TotalRecordSize(rec) * (hi - lo) / rec.NumRows()
}

// advance moves the cursor past one row of seq.
func (c *cursor) advance(seq host.Seq) {
	if seq != c.In {
		if c.In > 0 {
			c.After = c.In
		}
		c.In, c.Skip = seq, 0
	}
	c.Skip++
}

func (s *Server) sendPage(c echo.Context, f format, p *page) error {
	r, h := c.Request(), c.Response().Header()
	next := p.next.String()
	h.Set("ADP-Next", next)
	h.Set("ADP-More", strconv.FormatBool(p.more))
	h.Set("ADP-Snapshot", strconv.FormatInt(int64(p.latest), 10))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", f.contentType())
	h.Add("Link", "<"+r.URL.Path+"?"+nextQuery(r.URL.Query(), next)+`>; rel="next"`)
	zip := f.offer().text && acceptsGzip(r.Header.Get("Accept-Encoding"))
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodHead {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	s.metrics.rows.WithLabelValues(string(f)).Add(float64(p.rows))
	if f == formatJSON {
		return s.sendJSONPage(c, zip, p, next)
	}
	return s.send(c, f, zip, p.schema, p.each)
}

func (p *page) each(enc encoder) error {
	for _, rec := range p.batches {
		if err := enc.Write(rec); err != nil {
			return err
		}
	}
	return nil
}

// sendJSONPage wraps the rows: {"changes": […], "next": "…", "more": …, "snapshot": …}.
func (s *Server) sendJSONPage(c echo.Context, zip bool, p *page, next string) error {
	tail := fmt.Sprintf("],\n\"next\":%s,\"more\":%t,\"snapshot\":%d}\n", arrowtext.AppendJSONString(nil, next), p.more, p.latest)
	return s.sendWith(c, zip, func(w io.Writer) error {
		enc := arrowtext.NewJSONArray(w, `{"changes":[`, tail)
		if err := p.each(enc); err != nil {
			return err
		}
		return enc.Close()
	})
}

func nextQuery(v url.Values, next string) string {
	v.Set(paramSince, next)
	return v.Encode()
}

package client

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adp-host/adp/host"
)

// Read says which rows of a port are wanted and how. The zero value is everything as JSON.
type Read struct {
	Format   string // one of host.Representations; "" json
	Limit    int64  // rows; 0: all
	Columns  []string
	Snapshot host.Seq
	AsOf     time.Time
	Purpose  string // why, for the policy of the node; "" is not said
}

// Data is an open stream of rows. The caller closes Body. A node that fails under way cuts the stream off: Body.Read
// returns an error then, never a clean end.
type Data struct {
	Body        io.ReadCloser
	ContentType string
	Snapshot    host.Seq
}

// DataURL is the address at which a port is read, with the address's own snapshot or asOf unless the read has one.
func (c *Client) DataURL(a host.Address, r Read) string {
	u := *c.base
	u.Path, u.RawQuery = strings.TrimSuffix(u.Path, "/")+dataPath(a, r), r.query(a).Encode()
	return u.String()
}

func dataPath(a host.Address, r Read) string {
	path := "/d/" + a.Domain + "/" + a.Product
	if a.Port != "" {
		path += "/" + a.Port
	}
	if r.Format != "" {
		path += "." + r.Format
	}
	return path
}

func (r Read) query(a host.Address) url.Values {
	q := url.Values{}
	maps.Copy(q, a.Query) // all of it: what means nothing is for the node to refuse
	if r.Snapshot > 0 || !r.AsOf.IsZero() {
		q.Del("snapshot")
		q.Del("asOf")
	}
	if r.Snapshot > 0 {
		q.Set("snapshot", strconv.FormatInt(int64(r.Snapshot), 10))
	}
	if !r.AsOf.IsZero() {
		q.Set("asOf", r.AsOf.Format(time.RFC3339Nano))
	}
	if r.Limit > 0 {
		q.Set("limit", strconv.FormatInt(r.Limit, 10))
	}
	if len(r.Columns) > 0 {
		q.Set("columns", strings.Join(r.Columns, ","))
	}
	return q
}

// Open opens a port.
func (c *Client) Open(ctx context.Context, a host.Address, r Read) (*Data, error) {
	header := http.Header{}
	if r.Format == "" {
		header.Set("Accept", "application/json")
	}
	if r.Purpose != "" {
		header.Set("ADP-Purpose", r.Purpose)
	}
	res, err := c.request(ctx, http.MethodGet, dataPath(a, r), r.query(a), nil, header)
	if err != nil {
		return nil, err
	}
	seq, _ := strconv.ParseInt(res.Header.Get("ADP-Snapshot"), 10, 64) // 0 when the node does not say
	return &Data{Body: &wholeBody{res.Body, c.base.Host}, ContentType: res.Header.Get("Content-Type"), Snapshot: host.Seq(seq)}, nil
}

// wholeBody gives a stream that was cut off an error that people understand.
type wholeBody struct {
	io.ReadCloser
	node string
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = host.Errorf(host.CodeNodeUnreachable, "%s cut the rows off before their end: %w", b.node, err).
			WithHint("what has arrived is not complete; the node's log says why")
	}
	return n, err
}

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/adp-host/adp/host"
)

// Products lists the products that hold every word of text, all for "".
func (c *Client) Products(ctx context.Context, text string) ([]host.ProductStatus, error) {
	q := url.Values{}
	if text != "" {
		q.Set("q", text)
	}
	var out []host.ProductStatus
	return out, c.getJSON(ctx, "/api/v1/products", q, &out)
}

// Product is the status of one product.
func (c *Client) Product(ctx context.Context, a host.Address) (host.ProductStatus, error) {
	var out host.ProductStatus
	return out, c.getJSON(ctx, productPath(a, ""), nil, &out)
}

// Runs lists at most limit runs, newest first; of all products for the zero Address, the node's default for limit 0.
func (c *Client) Runs(ctx context.Context, a host.Address, limit int) ([]host.RunStatus, error) {
	q := limitQuery(limit)
	if a.Product != "" {
		q.Set("product", a.Domain+"/"+a.Product)
	}
	var out []host.RunStatus
	return out, c.getJSON(ctx, "/api/v1/runs", q, &out)
}

// MaxRejected is how many rejected rows one request may ask for.
const MaxRejected = 10_000

// Rejected lists at most limit rows that are missing from what the product has published, the newest attempt's first,
// and how many there are in all; as of a snapshot, or now for 0.
func (c *Client) Rejected(ctx context.Context, a host.Address, at host.Seq, limit int) ([]host.RejectedRow, int64, error) {
	q := limitQuery(limit)
	if at > 0 {
		q.Set("snapshot", strconv.FormatInt(int64(at), 10))
	}
	res, err := c.request(ctx, http.MethodGet, productPath(a, "/quarantine"), q, nil, nil)
	if err != nil {
		return nil, 0, err
	}
	total, _ := strconv.ParseInt(res.Header.Get("ADP-Total"), 10, 64) // absent: nothing is known beyond the rows
	var out []host.RejectedRow
	return out, total, decode(res, &out)
}

// Upload registers an artifact, a tar of its OCI layout, and starts its product. Sources say where file inputs lie on
// the node, by input name.
func (c *Client) Upload(ctx context.Context, artifact io.Reader, sources map[string]string) (host.ProductStatus, error) {
	q := url.Values{}
	for input, uri := range sources {
		q.Add("source", input+"="+uri)
	}
	var out host.ProductStatus
	return out, c.post(ctx, "/api/v1/products", q, "application/x-tar", artifact, &out)
}

// Contract is the contract document of an output port, ODCS in YAML.
func (c *Client) Contract(ctx context.Context, a host.Address) ([]byte, error) {
	res, err := c.request(ctx, http.MethodGet, productPath(a, "/contracts/"+url.PathEscape(a.Port)), nil, nil, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(io.LimitReader(res.Body, maxProblem))
}

// Command is what control tells a product. The settings go with their verbs only.
type Command struct {
	Verb    string   `json:"-"`                 // pause, resume, trigger, rollback, release, skip
	Rebuild bool     `json:"rebuild,omitempty"` // trigger: recompute everything
	To      host.Seq `json:"to,omitempty"`      // rollback: the snapshot to go back to
}

// Outcome is a product after a command, and the run that the command caused.
type Outcome struct {
	Product host.ProductStatus `json:"product"`
	Run     *host.RunStatus    `json:"run,omitempty"` // nil for pause and resume
}

// Control commands a product. It returns when the run that the command causes has ended.
func (c *Client) Control(ctx context.Context, a host.Address, cmd Command) (Outcome, error) {
	body, err := json.Marshal(cmd)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	return out, c.post(ctx, productPath(a, "/"+url.PathEscape(cmd.Verb)), nil, "application/json", bytes.NewReader(body), &out)
}

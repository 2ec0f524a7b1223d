// Package client speaks to a node over HTTP, for the command line and for programs in Go. Errors arrive as the
// *host.Error that the node made, so that errors.Is and exit codes work on both sides of the wire.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adp-host/adp/host"
)

// Client speaks to one node. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	token  string
	direct bool
	http   *http.Client
}

// DirectHeader marks what a node is to answer from what it has itself.
const DirectHeader = "Adp-Direct"

// Direct is a client of the same node that gets its answers from that node alone: what it would ask others for is
// missing. Nodes ask each other so.
func (c *Client) Direct() *Client {
	d := *c
	d.direct = true
	return &d
}

// New makes a client of the node at base, http://host:port. The token may be "" where reading needs none. Nothing is
// sent yet.
func New(base, token string) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, host.Errorf(host.CodeNodeSetup, "%q is not the address of a node", base).WithHint("it looks like http://127.0.0.1:7070")
	}
	return &Client{base: u, token: token, http: &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true, // a node at hand is faster than gzip
		},
		// The token belongs to this node: what it redirects to gets none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// URL is the node's address.
func (c *Client) URL() string { return c.base.String() }

// For is the client of the mesh that an address lies in: c itself for the mesh at hand, else one without a token whose
// endpoint that mesh's /.well-known/adp names. Meshes are asked over https, on loopback over http.
func (c *Client) For(ctx context.Context, a host.Address) (*Client, error) {
	if a.Local() || a.Mesh == c.base.Host {
		return c, nil
	}
	scheme := a.Scheme
	if scheme == "adp" {
		scheme = "https"
		if name, _, err := net.SplitHostPort(a.Mesh); err == nil && (name == "localhost" || net.ParseIP(name).IsLoopback()) {
			scheme = "http"
		}
	}
	other, err := New(scheme+"://"+a.Mesh, "")
	if err != nil || a.Scheme != "adp" {
		return other, err
	}
	m, err := other.Mesh(ctx)
	if err != nil {
		return nil, err
	}
	return New(m.Endpoints.HTTP, "")
}

// Mesh is the part of /.well-known/adp that clients use.
type Mesh struct {
	Mesh      string `json:"mesh"`
	Version   string `json:"version"`
	Endpoints struct {
		HTTP string `json:"http"`
	} `json:"endpoints"`
}

// Mesh asks what the node serves.
func (c *Client) Mesh(ctx context.Context) (Mesh, error) {
	var m Mesh
	return m, c.getJSON(ctx, "/.well-known/adp", nil, &m)
}

// Ready reports why the node cannot work yet, nil when it can.
func (c *Client) Ready(ctx context.Context) error {
	return c.getJSON(ctx, "/readyz", nil, nil)
}

// request sends one request and returns the answer if its status is below 300. The caller closes its body.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body io.Reader, header http.Header) (*http.Response, error) {
	u := *c.base
	u.Path, u.RawQuery = strings.TrimSuffix(u.Path, "/")+path, query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, host.Errorf(host.CodeAccessRequest, "%w", err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.direct {
		req.Header.Set(DirectHeader, "1")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, problem(res)
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // without the method and the URL, which the message has already
	}
	return host.Errorf(host.CodeNodeUnreachable, "no node answers at %s: %w", c.base, err).
		WithHint("start one with adp up, or name another with --node URL")
}

func (c *Client) getJSON(ctx context.Context, path string, query url.Values, into any) error {
	res, err := c.request(ctx, http.MethodGet, path, query, nil, nil)
	if err != nil {
		return err
	}
	return decode(res, into)
}

func (c *Client) post(ctx context.Context, path string, query url.Values, contentType string, body io.Reader, into any) error {
	res, err := c.request(ctx, http.MethodPost, path, query, body, http.Header{"Content-Type": {contentType}})
	if err != nil {
		return err
	}
	return decode(res, into)
}

func decode(res *http.Response, into any) error {
	defer res.Body.Close()
	if into == nil {
		_, err := io.Copy(io.Discard, res.Body)
		return err
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return host.Errorf(host.CodeNodeUnreachable, "the answer of %s is not what this adp understands: %w", res.Request.URL, err).
			WithHint("is it a node of adp, of the same version? compare adp version")
	}
	return nil
}

// maxProblem bounds how much of an error's body is read.
const maxProblem = 1 << 20

// problem is the error of an answer: the node's own host.Error where it sent one.
func problem(res *http.Response) error {
	var p struct {
		Detail   string         `json:"detail"`
		Code     host.ErrorCode `json:"code"`
		Hint     string         `json:"hint"`
		At       host.Position  `json:"at"`
		Excerpt  string         `json:"excerpt"`
		Instance string         `json:"instance"`
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem)) // what there is of it
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode == http.StatusMultipleChoices:
		return severalPorts(body)
	case media != "application/problem+json" || json.Unmarshal(body, &p) != nil:
		return host.Errorf(host.CodeNodeUnreachable, "%s answered %s", res.Request.URL, res.Status).WithHint("is it a node of adp?")
	case p.Code == "":
		return fmt.Errorf("%s (%s, %s)", p.Detail, res.Status, p.Instance)
	}
	return &host.Error{Code: p.Code, Message: p.Detail, At: p.At, Excerpt: p.Excerpt, Hint: p.Hint}
}

// severalPorts is the error of a read that named none of several ports.
func severalPorts(body []byte) error {
	var choice struct {
		URL   string                  `json:"url"`
		Ports []struct{ Name string } `json:"ports"`
	}
	_ = json.Unmarshal(body, &choice) // the error stands without names
	var urls []string
	for _, p := range choice.Ports {
		urls = append(urls, choice.URL+"/"+p.Name)
	}
	return host.Errorf(host.CodeAccessQuery, "%s has several ports", choice.URL).WithHint("name one: %s", strings.Join(urls, ", "))
}

// productPath is the path of a product's API.
func productPath(a host.Address, rest string) string {
	return "/api/v1/products/" + url.PathEscape(a.Domain) + "/" + url.PathEscape(a.Product) + rest
}

func limitQuery(limit int) url.Values {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

package rest

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/adp-host/adp/host"
)

// format is a representation of rows.
type format string

const (
	formatJSON    format = "json"
	formatNDJSON  format = "ndjson"
	formatCSV     format = "csv"
	formatArrow   format = "arrow"
	formatParquet format = "parquet"
	formatHTML    format = "html" // the product's page
)

// offer is a format with its names. The first media type is the one that answers carry.
type offer struct {
	format format
	types  []string
	text   bool // compresses well: gzip is offered
}

// offers are in order of preference: what a client that accepts anything gets comes first.
var offers = []offer{
	{formatJSON, []string{"application/json"}, true},
	{formatNDJSON, []string{"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}, true},
	{formatCSV, []string{"text/csv"}, true},
	{formatArrow, []string{"application/vnd.apache.arrow.stream"}, false},
	{formatParquet, []string{"application/vnd.apache.parquet", "application/x-parquet"}, false},
	{formatHTML, []string{"text/html", "application/xhtml+xml"}, true},
}

// contentType is the Content-Type of an answer.
func (f format) contentType() string {
	switch f {
	case formatCSV:
		return "text/csv; charset=utf-8; header=present"
	case formatHTML:
		return "text/html; charset=utf-8"
	}
	return f.offer().types[0]
}

func (f format) offer() offer {
	for _, o := range offers {
		if o.format == f {
			return o
		}
	}
	return offer{format: f, types: []string{"application/octet-stream"}}
}

// splitExtension cuts a known extension off the last segment of a path. What is no extension here may be part of a name:
// names may have dots.
func splitExtension(segment string) (name string, f format) {
	dot := strings.LastIndexByte(segment, '.')
	if dot <= 0 {
		return segment, ""
	}
	for _, o := range offers {
		if string(o.format) == segment[dot+1:] {
			return segment[:dot], o.format
		}
	}
	return segment, ""
}

// strangeExtension is the error for a name that is not found and looks like a name with an extension that we do not have.
func strangeExtension(segment string, notFound error) error {
	if dot := strings.LastIndexByte(segment, '.'); dot > 0 && host.CodeOf(notFound) == host.CodeAccessUnknown {
		if _, second := splitExtension(segment); second != "" {
			return host.Errorf(host.CodeAccessFormat, "%q names a representation before the one that was asked for", segment).
				WithHint("leave %q out: the representation is named once", segment[dot:])
		}
		return host.Errorf(host.CodeAccessFormat, "there is no representation %q", segment[dot:]).WithHint("%s", formatHint)
	}
	return notFound
}

const formatHint = "choose one of .arrow .parquet .csv .ndjson .json, or send Accept with its media type"

// negotiate picks the format of an Accept header among those allowed: the highest quality wins, then the order of offers.
// Of several ranges that match a type the most specific one counts (RFC 9110 §12.5.1). An empty header accepts anything.
func negotiate(accept string, allowed ...format) (format, error) {
	ranges := parseAccept(accept)
	var best format
	bestQ := 0
	for _, o := range offers {
		if !slices.Contains(allowed, o.format) {
			continue
		}
		if q := o.quality(ranges); q > bestQ {
			best, bestQ = o.format, q
		}
	}
	if bestQ == 0 {
		return "", host.Errorf(host.CodeAccessFormat, "nothing here is %q", accept).WithHint("%s", formatHint)
	}
	return best, nil
}

// mediaRange is one element of Accept, quality in thousandths.
type mediaRange struct {
	kind, sub string
	q         int
}

func parseAccept(accept string) []mediaRange {
	if strings.TrimSpace(accept) == "" {
		return []mediaRange{{"*", "*", 1000}}
	}
	var out []mediaRange
	for _, part := range strings.Split(accept, ",") {
		t, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue // the other elements still mean something
		}
		kind, sub, ok := strings.Cut(t, "/")
		if !ok && t == "*" {
			kind, sub, ok = "*", "*", true // sent by old clients
		}
		if q, valid := quality(params["q"]); ok && valid {
			out = append(out, mediaRange{kind, sub, q})
		}
	}
	return out
}

func quality(s string) (int, bool) {
	if s == "" {
		return 1000, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, false
	}
	return int(f * 1000), true
}

// quality is the best quality of the offer's names, in thousandths; 0: not acceptable.
func (o offer) quality(ranges []mediaRange) int {
	best := 0
	for _, t := range o.types {
		kind, sub, _ := strings.Cut(t, "/")
		q, specific := 0, -1
		for _, r := range ranges {
			rank := -1
			switch {
			case r.kind == kind && r.sub == sub:
				rank = 2
			case r.kind == kind && r.sub == "*":
				rank = 1
			case r.kind == "*" && r.sub == "*":
				rank = 0
			}
			if rank > specific {
				q, specific = r.q, rank
			}
		}
		best = max(best, q)
	}
	return best
}

// acceptsGzip reads Accept-Encoding.
func acceptsGzip(header string) bool {
	star := false
	for _, part := range strings.Split(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		q := 1000
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = quality(strings.TrimSpace(v)) // a broken quality is none
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			return q > 0
		case "*":
			star = q > 0
		}
	}
	return star
}

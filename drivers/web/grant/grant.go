// Package grant says which part of the web a product may read, and how it asks. It opens nothing: the driver does.
package grant

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Request is what a guest asks for, as JSON an option of the driver.
type Request struct {
	Method  string            `json:"method"` // GET or HEAD
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
}

// Columns of the one row that answers a request.
const (
	Status  = "status"  // int32: that of HTTP, whatever it is
	Headers = "headers" // string: a JSON object, names in lower case, values of a name joined by commas
	Body    = "body"    // binary: as it came
)

// Schemes are those of addresses in the web.
var Schemes = []string{"https", "http"}

// Is reports whether an address claims to be one of the web.
func Is(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	return scheme == Schemes[0] || scheme == Schemes[1]
}

// maxURL bounds addresses, in bytes.
const maxURL = 8 << 10

// Grant is all that lies below an address.
type Grant struct {
	scheme, host, port string
	path               string // begins with / and does not end with it, but for the root, which is ""
}

// Parse reads the address of a grant: scheme, host, perhaps a port and a path, nothing else.
func Parse(address string) (Grant, error) {
	u, port, err := parse(address)
	switch {
	case err != nil:
		return Grant{}, err
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(address, "#"):
		return Grant{}, errors.New("what is granted is a path and all below it: no ? and no #")
	case strings.Contains(u.EscapedPath(), "%"):
		return Grant{}, errors.New("its path needs no %")
	}
	return Grant{u.Scheme, u.Hostname(), port, strings.TrimSuffix(u.Path, "/")}, nil
}

// String is the address of the grant.
func (g Grant) String() string {
	u := url.URL{Scheme: g.scheme, Host: hostPort(g.scheme, g.host, g.port), Path: g.path + "/"}
	return u.String()
}

// ports are those that addresses leave out.
var ports = map[string]string{"http": "80", "https": "443"}

func hostPort(scheme, name, port string) string {
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port == ports[scheme] {
		return name
	}
	return name + ":" + port
}

// Covers gives the address to ask for, if it lies below the grant: scheme, host and port are equal, and the path begins with all segments
// of the granted one. What different servers read differently is refused: names of users, segments of dots, of nothing, and those that
// hide a slash, a dot or a percent sign behind %.
func (g Grant) Covers(address string) (*url.URL, error) {
	u, port, err := parse(address)
	if err != nil {
		return nil, err
	}
	path := u.EscapedPath()
	if u.Scheme != g.scheme || u.Hostname() != g.host || port != g.port || path != g.path && !strings.HasPrefix(path, g.path+"/") {
		return nil, fmt.Errorf("it is not below %s", g)
	}
	return u, nil
}

// parse reads an address and gives its port too.
func parse(address string) (*url.URL, string, error) {
	if len(address) > maxURL {
		return nil, "", fmt.Errorf("it has more than %d bytes", maxURL)
	}
	for _, b := range []byte(address) {
		if b <= ' ' || b >= 0x7f || b == '\\' {
			return nil, "", errors.New("addresses are of ASCII, without spaces and backslashes: write others as %XX, and names of hosts as xn--…")
		}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, "", errors.Unwrap(err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "", errors.New("it begins with neither https:// nor http://")
	case u.User != nil:
		return nil, "", errors.New("no names of users before the host")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, "", errors.New("it has no host")
	}
	name := strings.ToLower(u.Hostname())
	if err := checkHost(name); err != nil {
		return nil, "", err
	}
	port := cmp.Or(u.Port(), ports[u.Scheme])
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port || strings.HasSuffix(u.Host, ":") {
		return nil, "", fmt.Errorf("there is no port %q", port)
	}
	if err := checkPath(u.EscapedPath()); err != nil {
		return nil, "", err
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Host, u.Fragment, u.RawFragment = hostPort(u.Scheme, name, port), "", ""
	return u, port, nil
}

// checkHost takes names and addresses as they are usually written: 127.1, 0x7f000001 and others are for tricks.
func checkHost(name string) error {
	if strings.Contains(name, ":") {
		if a, err := netip.ParseAddr(name); err != nil || a.Zone() != "" {
			return fmt.Errorf("%s is no address of a host", name)
		}
		return nil
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("%s is no name of a host", name)
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		if _, err := netip.ParseAddr(name); err != nil {
			return fmt.Errorf("%s is no address of a host", name)
		}
	}
	return nil
}

func checkPath(escaped string) error {
	for n, segment := range strings.Split(strings.TrimPrefix(escaped, "/"), "/") {
		name, err := url.PathUnescape(segment)
		if err != nil {
			return err
		}
		bare, _, _ := strings.Cut(name, ";")
		last := strings.HasSuffix(escaped, "/") && n == strings.Count(strings.TrimPrefix(escaped, "/"), "/")
		switch {
		case segment == "" && !last && escaped != "":
			return errors.New("its path has a segment of nothing")
		case bare == "." || bare == "..":
			return errors.New("its path has a segment of dots")
		case name != segment && hides(segment):
			return errors.New("its path hides a slash, a dot or a percent sign behind %")
		}
	}
	return nil
}

// hides reports whether a segment escapes what another server may take for a part of the path's structure.
func hides(segment string) bool {
	for at := strings.IndexByte(segment, '%'); at >= 0; {
		b, _ := strconv.ParseUint(segment[at+1:at+3], 16, 8) // PathUnescape has seen it
		if b < ' ' || b == 0x7f || strings.IndexByte(`/\.%;`, byte(b)) >= 0 {
			return true
		}
		next := strings.IndexByte(segment[at+3:], '%')
		if next < 0 {
			return false
		}
		at += 3 + next
	}
	return false
}

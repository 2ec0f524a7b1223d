package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
)

// Values of flags that are checked as they are read, so that what means nothing is never taken for a default: a variable
// that a script forgot to set must not start a lone node.

// text is a flag that takes a text that passes a check.
type text struct {
	to    *string
	check func(string) error
}

func (v text) Set(s string) error {
	if err := v.check(s); err != nil {
		return err
	}
	*v.to = s
	return nil
}

func (v text) String() string {
	if v.to == nil { // how pflag asks for the zero value
		return ""
	}
	return *v.to
}

func (v text) Type() string { return "string" }

// filled refuses an empty value.
func filled(what string) func(string) error {
	return func(s string) error {
		if s == "" {
			return fmt.Errorf("write %s", what)
		}
		return nil
	}
}

// oneOf takes a word of a list.
func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("write %s", strings.Join(words, " or "))
		}
		return nil
	}
}

func nodeName(s string) error {
	if !host.ValidNode(s) {
		return errors.New("write " + host.NameRule)
	}
	return nil
}

func meshName(s string) error {
	if !host.ValidMesh(s) {
		return errors.New("write " + host.NameRule + ", and a port if it has one")
	}
	return nil
}

// count is the value of a flag that counts something: a whole number, least or more.
type count[T int | int64] struct {
	n     *T
	least T
}

func (c count[T]) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < int64(c.least) || int64(T(n)) != n {
		return fmt.Errorf("write a whole number, %d or more", c.least)
	}
	*c.n = T(n)
	return nil
}

func (c count[T]) String() string {
	if c.n == nil { // how pflag asks for the zero value
		return "0"
	}
	return fmt.Sprint(*c.n)
}

func (c count[T]) Type() string { return "int" }

// webAddress takes scheme, host and port.
func webAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("write http://HOST:PORT or https://HOST:PORT")
	}
	return nil
}

// webAddresses is a flag that takes addresses, with commas between them or one at a time.
type webAddresses struct{ to *[]string }

func (v webAddresses) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		if err := webAddress(one); err != nil {
			return err
		}
		*v.to = append(*v.to, one)
	}
	return nil
}

func (v webAddresses) String() string {
	if v.to == nil {
		return ""
	}
	return strings.Join(*v.to, ",")
}

func (v webAddresses) Type() string { return "strings" }

// labelValues is a flag that takes NAME=VALUE, with commas between them or one at a time.
type labelValues struct{ to *map[string]string }

func (v labelValues) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(one, "=")
		if !ok || !host.ValidNode(name) || value == "" || strings.ContainsFunc(value, func(r rune) bool { return !strconv.IsPrint(r) }) {
			return errors.New("write NAME=VALUE")
		}
		if *v.to == nil {
			*v.to = map[string]string{}
		}
		(*v.to)[name] = value
	}
	return nil
}

func (v labelValues) String() string {
	if v.to == nil {
		return ""
	}
	return labels(*v.to)
}

func (v labelValues) Type() string { return "NAME=VALUE" }

// shares is a flag that takes what tenants and products may have, with semicolons between them or one at a time.
type shares struct{ to *node.Shares }

func (v shares) Set(s string) error {
	for one := range strings.SplitSeq(s, ";") {
		if err := v.to.Add(one); err != nil {
			return err
		}
	}
	return nil
}

func (v shares) String() string { return "" } // nobody has limits unless told

func (v shares) Type() string { return "SHARE" }

// seconds is a flag that takes a time of whole seconds, from least to most.
type seconds struct {
	to          *time.Duration
	least, most time.Duration
}

func (v seconds) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < v.least || d > v.most || d%time.Second != 0 {
		return fmt.Errorf("write whole seconds or minutes, from %s to %s", short(v.least), short(v.most))
	}
	*v.to = d
	return nil
}

func (v seconds) String() string {
	if v.to == nil {
		return "0s"
	}
	return short(*v.to)
}

func (v seconds) Type() string { return "duration" }

// short leaves out the seconds of whole minutes.
func short(d time.Duration) string {
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// networks is a flag that takes networks or addresses, with commas between them or one at a time.
type networks struct{ to *[]netip.Prefix }

func (v networks) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		n, err := netip.ParsePrefix(one)
		if a, aerr := netip.ParseAddr(one); aerr == nil && a.Zone() == "" {
			n, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || n.Masked() != n || n.Addr().Is4In6() {
			return errors.New("write a network as in 10.1.0.0/16 or fd00:1::/32, or one address of it")
		}
		*v.to = append(*v.to, n)
	}
	return nil
}

func (v networks) String() string { return "" } // nothing but the public internet unless told

func (v networks) Type() string { return "CIDR" }

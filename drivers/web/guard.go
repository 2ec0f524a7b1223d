package web

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/adp-host/adp/drivers"
)

// closed are the networks that are not of the public internet, and what they are. Longer prefixes come first.
var closed = []struct {
	what     string
	networks []netip.Prefix
}{
	{"a service of cloud providers for their machines", prefixes("168.63.129.16/32", "169.254.169.254/32", "100.100.100.200/32", "fd00:ec2::254/128")},
	{"this machine", prefixes("127.0.0.0/8", "::1/128")},
	{"no address of a machine", prefixes("0.0.0.0/8", "::/128")},
	{"a private network", prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")},
	{"the network of a provider", prefixes("100.64.0.0/10")},
	{"on the same link", prefixes("169.254.0.0/16", "fe80::/10")},
	{"for many machines", prefixes("224.0.0.0/4", "ff00::/8")},
	{"a way into the networks of IPv4", prefixes("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96")},
	{"reserved", prefixes("192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")},
}

// global is what IANA has given out for machines in the public internet, in version 6.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// why tells why nobody may connect to an address, "" for those of the public internet.
func why(a netip.Addr) string {
	for _, c := range closed {
		for _, n := range c.networks {
			if n.Contains(a) {
				return c.what
			}
		}
	}
	if a.Is6() && !global.Contains(a) {
		return "reserved"
	}
	return ""
}

// control looks at the address that is about to be connected to, whatever name it was found under.
func (d *Driver) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return &drivers.Error{Kind: drivers.ErrDenied, Message: fmt.Sprintf("%s is no address to connect to", address)}
	}
	a := at.Addr().WithZone("").Unmap()
	if slices.ContainsFunc(d.cfg.Allowed, func(n netip.Prefix) bool { return n.Contains(a) }) {
		return nil
	}
	if w := why(a); w != "" {
		return &drivers.Error{Kind: drivers.ErrDenied, Message: fmt.Sprintf("it is at %s, which is %s", a, w),
			Hint: "the operator of the node opens a network to products: --allow-net " + netip.PrefixFrom(a, a.BitLen()).String()}
	}
	return nil
}

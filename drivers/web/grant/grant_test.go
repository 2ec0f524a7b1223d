package grant

import (
	"net/url"
	"strings"
	"testing"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct{ grant, address, goes string }{
		{"https://api.example.com/v1/", "https://api.example.com/v1/", "https://api.example.com/v1/"},
		{"https://api.example.com/v1/", "https://api.example.com/v1", "https://api.example.com/v1"},
		{"https://api.example.com/v1", "https://api.example.com/v1/a/b?c=../d#e", "https://api.example.com/v1/a/b?c=../d"},
		{"https://api.example.com", "https://API.example.com:443", "https://api.example.com/"},
		{"https://api.example.com:443/", "https://api.example.com/x", "https://api.example.com/x"},
		{"http://api.example.com:8080/", "http://api.example.com:8080/%C3%A9%20x;y=1", "http://api.example.com:8080/%C3%A9%20x;y=1"},
		{"http://[2001:db8::1]:8080/", "http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x"},
		{"http://10.0.0.1/", "http://10.0.0.1/x..y", "http://10.0.0.1/x..y"},
	} {
		g, err := Parse(c.grant)
		if err != nil {
			t.Errorf("%s: %v", c.grant, err)
			continue
		}
		if u, err := g.Covers(c.address); err != nil || u.String() != c.goes {
			t.Errorf("%s below %s: %v, %v", c.address, c.grant, u, err)
		}
		if again, err := Parse(g.String()); err != nil || again != g {
			t.Errorf("%s is written %s: %v", c.grant, g, err)
		}
	}
}

func TestNotCovered(t *testing.T) {
	g, err := Parse("https://api.example.com/v1/")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		"", "api.example.com/v1/", "//api.example.com/v1/", "http://api.example.com/v1/", "HTTPS:/v1/", "https:api.example.com/v1/", "https:///v1/",
		"https://api.example.com:8443/v1/", "https://api.example.com:/v1/", "https://api.example.com:0443/v1/", "https://example.com/v1/", "https://api.example.com.evil.org/v1/", "https://api.example.com./v1/",
		"https://evil.org/https://api.example.com/v1/", "https://api.example.com@evil.org/v1/", "https://user@api.example.com/v1/", "https://:@api.example.com/v1/", "https://evil.org#@api.example.com/v1/",
		"https://evil.org\\@api.example.com/v1/", "https://api.example.com\\.evil.org/v1/", "https://api.example.com/", "https://api.example.com/v10/", "https://api.example.com/v1x", "https://api.example.com/V1/",
		"https://api.example.com/v1/../v2", "https://api.example.com/v1/./x", "https://api.example.com/v1/..", "https://api.example.com/v1/%2e%2e/v2", "https://api.example.com/v1/%2E./v2", "https://api.example.com/v1/..;/v2",
		"https://api.example.com/v1/..%3b/v2", "https://api.example.com/v1/%2fv2", "https://api.example.com/v1/x%2F..%2Fv2", "https://api.example.com/v1/%5c..%5cv2", "https://api.example.com/v1/%252e%252e/v2", "https://api.example.com/v1/%00",
		"https://api.example.com/v1//x", "https://api.example.com//v1/x", "https://api.example.com/%76%31/x", "https://api.example.com/v1/%", "https://api.example.com/v1/%zz", "https://api.example.com/v1/a b",
		"https://api.example.com/v1/\r\nHost: evil.org", "https://api.example.com/v1/\x00", "https://api.example.com/v1/é", "https://ápi.example.com/v1/", "https://api.example.com/v1/" + strings.Repeat("x", maxURL),
		"https://api.example.com/v1/%0d%0aHost:x", "https://[::1%25eth0]/v1/", "https://127.1/v1/", "https://0x7f000001/v1/", "https://2130706433/v1/", "https://0177.0.0.1/v1/",
	} {
		if u, err := g.Covers(address); err == nil {
			t.Errorf("%q is covered, as %s", address, u)
		}
	}
	for _, address := range []string{"", "ftp://x/", "https://", "https://x/?a", "https://x/?", "https://x/#", "https://u@x/", "https://x/%61/", "https://x/a/../b", "https://x//", "https://x:0/", "https://x:99999/", "https://*.x/", "https://127.1/", "https://[::1%25lo]/"} {
		if g, err := Parse(address); err == nil {
			t.Errorf("%q is a grant: %s", address, g)
		}
	}
}

// FuzzCovers: what is covered is what another parser of addresses takes for one below the grant too.
func FuzzCovers(f *testing.F) {
	for _, s := range []string{"https://api.example.com/v1/x", "https://api.example.com/v1/%2e%2e/", "https://a@api.example.com/v1/", "https://api.example.com:443/v1/?x", "https://api.example.com/v1/..;x/"} {
		f.Add(s)
	}
	g, err := Parse("https://api.example.com/v1/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := g.Covers(address)
		if err != nil {
			return
		}
		s := u.String()
		rest, ok := strings.CutPrefix(s, "https://api.example.com/v1")
		if !ok || rest != "" && rest[0] != '/' && rest[0] != '?' {
			t.Fatalf("%q goes to %q", address, s)
		}
		for range 3 { // however often somebody decodes it
			path, _, _ := strings.Cut(s, "?")
			for segment := range strings.SplitSeq(path, "/") {
				if bare, _, _ := strings.Cut(segment, ";"); bare == "." || bare == ".." {
					t.Fatalf("%q goes to %q", address, s)
				}
			}
			if s, err = url.PathUnescape(path); err != nil {
				return
			}
		}
	})
}

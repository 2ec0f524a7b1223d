package web

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/adp-host/adp/drivers"
)

// Headers of a request, of a guest's own: how many, and their bytes.
const (
	maxFields     = 64
	maxFieldBytes = 16 << 10
)

// refused are headers that are about the connection, or about where a request goes: those are the driver's.
var refused = map[string]bool{"Host": true, "Connection": true, "Content-Length": true, "Expect": true, "Keep-Alive": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Proxy-Authorization": true, "Proxy-Connection": true, "Proxy-Authenticate": true, "Http2-Settings": true}

func setHeaders(h http.Header, fields map[string]string) error {
	bytes := 0
	for name, value := range fields {
		key := textproto.CanonicalMIMEHeaderKey(name)
		if bytes += len(name) + len(value); bytes > maxFieldBytes || len(fields) > maxFields {
			return &drivers.Error{Kind: drivers.ErrExceeded, Message: fmt.Sprintf("the request has more than %d headers or %d bytes of them", maxFields, maxFieldBytes)}
		}
		if refused[key] {
			return &drivers.Error{Kind: drivers.ErrDenied, Message: fmt.Sprintf("the header %s is not the plug-in's to set", key)}
		}
		h.Set(key, value) // net/http refuses what is no name or value
	}
	return nil
}

// headersOf are an answer's, as Extism's hosts give them.
func headersOf(h http.Header) []byte {
	all := make(map[string]string, len(h))
	for name, values := range h {
		all[strings.ToLower(name)] = strings.Join(values, ",")
	}
	b, _ := json.Marshal(all) // strings always encode, and in order
	return b
}

func tlsOf(roots *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: roots} }

package manifest

import (
	"strings"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
)

// pluginFunction is what an Extism plug-in exports for the batches of its input, unless the product says otherwise.
const pluginFunction = "run"

// Code is what the product says of its code, before anything is checked or filled in.
func (b *Bundle) Code() host.Code {
	code := value(b.block, "code")
	return host.Code{Language: text(code, "language"), Path: text(code, "path"), NaNs: text(code, "nans"), Function: text(code, "function"), Encoding: text(code, "encoding")}
}

// plugin completes the code of a product that is an Extism plug-in, and refuses what such a plug-in has no words for.
func (c *compiler) plugin(p *host.Product) {
	code := value(c.b.block, "code")
	if p.Code.Language != host.Extism {
		for _, f := range []string{"function", "encoding"} {
			if v := value(code, f); v != nil {
				c.add(at(v), host.CodeManifestField, "delete it, or write language: extism", "code.%s is for Extism plug-ins, and the language is %s", f, p.Code.Language)
			}
		}
		p.Code.Function, p.Code.Encoding = "", ""
		return
	}
	if p.Code.Function == "" {
		p.Code.Function = pluginFunction
	}
	if p.Code.Encoding == "" {
		p.Code.Encoding = host.NDJSON
	}
	if strings.HasPrefix(p.Code.Function, abi.Reserved) {
		c.add(at(value(code, "function")), host.CodeManifestField, "choose another name", "code.function is %s: names that begin with %s belong to the host", p.Code.Function, abi.Reserved)
	}
	if n := len(p.Outputs); n > 1 {
		c.add(at(code), host.CodeManifestField, "make it several products, or use one of the guest SDKs", "an Extism plug-in answers with rows of one output, and the product has %d", n)
	}
	for _, f := range pairs(value(c.b.block, "drivers")) {
		if !grant.Is(text(f.value, "uri")) {
			c.add(at(f.key), host.CodeManifestField, "delete it, or use one of the guest SDKs", "an Extism plug-in reads its inputs, and no drivers but of https: and http:")
		}
	}
	for i := range p.Inputs {
		c.plain(p.Inputs[i].Forms, "inputs", p.Inputs[i].Name)
	}
	for i := range p.Outputs {
		c.plain(p.Outputs[i].Forms, "outputs", p.Outputs[i].Name)
	}
}

// page is the row that answers a request in the web.
var page = host.Schema{Fields: []host.Field{
	{Name: grant.Status, Type: host.Type{Kind: host.Int32}, Required: true},
	{Name: grant.Headers, Type: host.Type{Kind: host.String}, Required: true},
	{Name: grant.Body, Type: host.Type{Kind: host.Binary}, Required: true},
}}

// web completes a binding that grants a part of the web.
func (c *compiler) web(f pair, b *host.Binding) {
	b.Schema = page
	if _, err := grant.Parse(b.URI); err != nil {
		c.add(at(value(f.value, "uri")), host.CodeManifestRef, "write https://HOST/PATH/: everything below it is granted", "driver %q cannot be at %s: %s", b.Name, describe(value(f.value, "uri")), err)
	}
	if language := c.b.Code().Language; language != host.Extism {
		c.add(at(value(f.value, "uri")), host.CodeManifestField, "make what it asks for an input", "driver %q is of the web, which is for Extism plug-ins, and the language is %s", b.Name, language)
	}
	if b.Access == "write" {
		c.add(at(value(f.value, "access")), host.CodeManifestField, "write access: read", "driver %q is of the web, which products read by GET and HEAD and do not write to", b.Name)
	}
	for _, name := range []string{"contract", "options", "forms"} {
		if key, _ := field(f.value, name); key != nil {
			c.add(at(key), host.CodeManifestField, "delete it", "driver %q is of the web and gives pages: it has no %s", b.Name, name)
		}
	}
}

package main

import (
	"github.com/adp-host/adp/drivers/web"
	"github.com/adp-host/adp/drivers/web/grant"
)

// drivers are those of a node beside that of files, by scheme: what computes, and the web as far as the settings open it.
func (a *app) drivers() map[string]any {
	out := map[string]any{}
	for scheme, d := range computeDrivers() {
		out[scheme] = d
	}
	pages := web.New(web.Config{Allowed: a.settings.Networks})
	for _, scheme := range grant.Schemes {
		out[scheme] = pages
	}
	return out
}

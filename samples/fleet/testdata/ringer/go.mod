module github.com/adp-host/adp/samples/fleet/testdata/ringer

go 1.24

// adp build supplies the SDK; no proxy is asked for it.
require github.com/adp-host/adp/guest-sdk/go v0.1.0

module github.com/adp-host/adp/guest-sdk/go

go 1.24

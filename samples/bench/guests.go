package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/adp-host/adp/host"
)

// guests are the row kernel in each language, from its kit. Where nothing compiles one, that is said, and printed as not measured.
func (b *bench) guests(ctx context.Context, figures ...string) (all []kernelGuest, err error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	if all, err = b.kernelGuests(ctx); err != nil {
		return nil, err
	}
	for i := range all {
		all[i].kernelAim = 0 // that is a figure of make bench
	}
	for _, l := range languages {
		if l.name == "go" || l.name == "rust" || l.name == "sql" { // measured elsewhere: kernels.go, statements.go
			continue
		}
		module, err := b.builder.Compile(ctx, filepath.Join(root, "guest-sdk", l.name), host.Code{Language: l.name, Path: "kernel"})
		var missing *host.Error
		if errors.As(err, &missing) && missing.Code == host.CodeBuildToolchain {
			b.talk("NOT MEASURED: %s: %v", l.name, err)
			for _, f := range figures {
				b.print(figure{name: f + "-" + l.name, value: -1, unit: "times", against: "NOT MEASURED", atLeast: 0.001})
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the kernel in %s: %w", l.name, err)
		}
		all = append(all, kernelGuest{language: l.name, module: module})
	}
	return all, nil
}

// languageKernels measures the row kernel in every language against native Go.
func (b *bench) languageKernels(ctx context.Context) error {
	guests, err := b.guests(ctx, "kernel")
	if err != nil {
		return err
	}
	return b.kernelsOf(ctx, guests, b.rounds(20))
}

// languageStarts measures how products of every language start: from a snapshot, against initialising themselves.
func (b *bench) languageStarts(ctx context.Context) error {
	guests, err := b.guests(ctx, "start")
	if err != nil {
		return err
	}
	for _, g := range guests {
		if err := b.starts(ctx, g.language, specOf(g.module, host.LocalTenant, g.language, kernelInput, kernelOutput), 0); err != nil {
			return err
		}
	}
	return nil
}

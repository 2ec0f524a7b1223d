# Everything is reached from here. `make demo` and `make test` install or build what they need.
GO      ?= go
BIN     := bin/adp
ARGS    ?=
export CGO_ENABLED ?= 0

.PHONY: demo build test check soak bench bench-cluster bench-sandbox bench-languages clean tools

demo: build ## run the sample mesh on real data (ARGS="--once", ARGS="--once -o json")
	@$(BIN) demo $(ARGS)

build: $(BIN) $(BIN)-duckdb ## build bin/adp, and bin/adp-duckdb (for products in SQL) where there is a C compiler

$(BIN): FORCE
	@test -x $(BIN) || echo "building $(BIN); the first build compiles etcd, Arrow and Iceberg and takes some minutes" >&2
	@./.ci/progress $(GO) build -o $(BIN) ./cmd/adp

$(BIN)-duckdb: FORCE
	@command -v "$$($(GO) env CXX)" >/dev/null || ./.ci/tools compiler
	@if command -v "$$($(GO) env CXX)" >/dev/null; then CGO_ENABLED=1 ./.ci/progress $(GO) build -tags duckdb_arrow -o $@ ./cmd/adp-duckdb; \
	else echo "NOT BUILT: $@, for products in SQL: there is no C++ compiler ($$($(GO) env CXX))" >&2; fi

FORCE:

test: ## everything: vet, unit, hostile, crash, demo (installs what it needs)
	@./.ci/test

check: ## the fast half of test, under two minutes with warm caches
	@./.ci/check

soak: ## real processes killed forty times at each step, ten thousand seeds of whole nodes; ends with one line of sums (TIMES=N SEEDS=N MODULES=N INPUTS=N MUTANTS=N for others)
	@./.ci/soak

bench: build ## figures as ratios against named peers, one tab-separated line each
	@$(GO) run ./samples/bench $(ARGS)

bench-cluster: build ## several nodes and many products: takeover, commits in parallel, 10,000 idle products
	@$(GO) run ./samples/bench -cluster $(ARGS)

bench-sandbox: ## the sandbox alone, guest kind by guest kind: what metering costs, how guests start, and what they do to one another
	@$(GO) run ./samples/bench -sandbox $(ARGS)

bench-languages: build ## per language: the row kernel, how products start, how soon an edit shows in adp dev, and how large a product is
	@$(GO) run ./samples/bench -languages $(ARGS)

clean:
	rm -rf bin build

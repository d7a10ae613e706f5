# The few words of this project. Progress goes to stderr, so that
# `make -s demo ARGS="--json"` leaves only the program's own output on stdout.
#
#   make demo    everything in one go; ARGS="--members 50000 --exit --json"
#   make test    all tests, from nothing
#   make bench   whole broadcasts, measured; ARGS="--json --quick"
#   make fuzz    every fuzz target; ARGS="--json --time 30s"
#   make lint    golangci-lint, pinned

SHELL := bash
export CGO_ENABLED := 0

TOOLS := .fanline/bin
GOLANGCI_VERSION := v2.15.0

# The embedded ClickHouse is a library that npm ships, one package a platform.
CHDB_VERSION := 26.7.3-stable.1
CHDB_SYSTEM := $(shell uname -s | tr A-Z a-z)
CHDB_CPU := $(patsubst aarch64,arm64,$(patsubst x86_64,x64,$(shell uname -m)))
CHDB := lib-$(CHDB_SYSTEM)-$(CHDB_CPU)$(if $(filter linux,$(CHDB_SYSTEM)),-gnu)
CHDB_STAMP := .fanline/chdb/$(CHDB)-$(CHDB_VERSION)

.PHONY: all build chdb demo bench test race fuzz lint

all: build chdb

build:
	@go build -trimpath -o bin/fanline ./cmd/fanline 1>&2

chdb: $(CHDB_STAMP)

$(CHDB_STAMP):
	@command -v npm >/dev/null || { echo "make: npm is missing: install Node.js (https://nodejs.org) with npm; it brings the ClickHouse library" >&2; exit 1; }
	@echo "installing the ClickHouse library (@chdb/$(CHDB), 560 MB) into .fanline/chdb" >&2
	@mkdir -p .fanline/chdb
	@npm install --no-audit --no-fund --no-save --no-package-lock --loglevel=error \
		--prefix .fanline/chdb "@chdb/$(CHDB)@$(CHDB_VERSION)" 1>&2
	@test -s .fanline/chdb/node_modules/@chdb/$(CHDB)/libchdb.so
	@rm -f .fanline/chdb/lib-*; touch $@

demo: build chdb
	@./bin/fanline dev --demo $(ARGS)

bench: build chdb
	@./bin/fanline bench $(ARGS)

test: chdb
	go vet ./... ./.ci/fuzz ./.ci/servers
	go test ./... ./.ci/fuzz

# The race detector needs cgo and a C compiler; one package at a time for memory.
race: chdb
	CGO_ENABLED=1 go test -race -p 1 ./...

fuzz:
	@go run ./.ci/fuzz $(ARGS)

lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
	$< run ./... ./.ci/fuzz ./.ci/servers

$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION):
	@echo "building golangci-lint $(GOLANGCI_VERSION) into $(TOOLS), once" >&2
	@GOBIN="$(CURDIR)/$(TOOLS)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) 1>&2
	@mv $(TOOLS)/golangci-lint $@

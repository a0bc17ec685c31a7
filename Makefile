# make            what there is to make
# make run        build everything and answer the six questions for this machine
# make test       install what the tests need, and pass every one
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

# One value everywhere: with two, everything would be compiled twice.
export CGO_ENABLED := 0
GO ?= go
VERSION ?= $(shell git describe --tags --dirty --match 'v*' 2>/dev/null || echo v0.0.0-dev)
# The probe's image by digest, set by a release. Without one the embedded probe runs.
RELEASE_IMAGE ?=
LDFLAGS := -s -w -buildid= -X main.version=$(VERSION) -X main.releaseImage=$(RELEASE_IMAGE)
TOOL := $(GO) tool -modfile=hack/tools/go.mod
# What make run hands to the plugin. The default touches no cluster.
ARGS ?= --local
# Two at a time is what the smallest machine of ours has cores.
export GOFLAGS := -buildvcs=false -p=2
CLUSTER := hack/cluster/run
# axe-core is under the MPL, so it is fetched and never committed.
AXE := 4.14.1
# Facts with yes, no and unknown.
PAGE_FACTS := pkg/cli/testdata/cases/root.json

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: probe ## build bin/kubectl-checklist with the embedded probes
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/kubectl-checklist ./cmd/kubectl-checklist
	@GO='$(GO)' sh hack/size.sh bin/kubectl-checklist

.PHONY: probe
probe: ## build the probes that the plugin carries, for amd64 and arm64
	@$(GO) run ./hack/buildprobe

.PHONY: run
run: build ## build, then answer the six questions: make run ARGS='--context X nodes'
	@bin/kubectl-checklist $(ARGS)

.PHONY: test
test: deps build lint unit race e2e ## install what tests need, then every test, the real cluster's too

.PHONY: deps
deps: ## install the Debian packages that the tests need
	@sh hack/deps.sh

.PHONY: lint
lint: ## formatting, vet, staticcheck, generated files
	@sh hack/lint.sh

.PHONY: unit
unit: ## tests that need no cluster
	CHECKLIST_REQUIRE_TOOLS=1 $(GO) test -timeout 30m $(GOTESTFLAGS) ./...
	$(GO) -C hack/browser test $(GOTESTFLAGS) ./...
	$(GO) -C hack/cluster test $(GOTESTFLAGS) ./...
	$(GO) -C hack/image test $(GOTESTFLAGS) ./...
	$(GO) -C hack/installation test $(GOTESTFLAGS) ./...
	$(GO) -C hack/kine test $(GOTESTFLAGS) ./...
	$(GO) -C hack/mendoracle test $(GOTESTFLAGS) ./...
	$(GO) -C hack/osvoracle test $(GOTESTFLAGS) ./...
	$(GO) -C hack/psaoracle test $(GOTESTFLAGS) ./...
	$(GO) -C hack/schema test $(GOTESTFLAGS) ./...
	$(GO) -C hack/waloracle test $(GOTESTFLAGS) ./...
	$(GO) -C hack/atrest test $(GOTESTFLAGS) ./...
	$(GO) -C hack/vaporacle test $(GOTESTFLAGS) ./...

.PHONY: race
race: ## the concurrent packages under the race detector
	CGO_ENABLED=1 $(GO) test -timeout 30m $(GOTESTFLAGS) -race ./pkg/launch/ ./pkg/collect/cluster/ ./pkg/collect/node/... ./pkg/collect/etcd/ ./pkg/gather/ ./pkg/cli/

.PHONY: e2e
e2e: deps build ## tests on the real cluster, which is started and taken down
	@sh hack/e2e/run.sh

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	@sh hack/fuzz.sh $(or $(FUZZTIME),10s)

.PHONY: kinds
kinds: ## what kinds the files in the Go module cache have, and that none with containers is passed over
	WORKLOADKIND_DIRS="$$($(GO) env GOMODCACHE)" $(GO) test ./pkg/workloadkind -run TestRealFiles -count=1 -v

.PHONY: builders
builders: deps build ## real image builders in pods are seen: buildah, podman, BuildKit (network)
	@sh hack/builders/run.sh

.PHONY: live
live: ## a real etcd's database is read 1,000 times while it is written to, and its latency measured
	$(GO) test -tags live -timeout 40m -count 1 -v ./hack/live

.PHONY: vap
vap: deps ## what is predicted of ValidatingAdmissionPolicies, against dry runs of a real API server (5 minutes)
	$(GO) -C hack/vaporacle test -tags e2e -timeout 20m -count 1 -v ./...

.PHONY: transit
transit: deps build ## every component of the real cluster made weak, one by one: each is found (20 minutes)
	hack/cluster/run up && $(GO) test -tags 'e2e transit' -timeout 70m -count 1 -v -run 'TestTransit' ./hack/e2e

.PHONY: roots
roots: build ## compare with apt on real roots of each release that the archive serves (network)
	$(GO) test -tags roots -timeout 40m -count 1 -v ./hack/roots

.PHONY: page-speed
page-speed: deps ## the HTML page with 100,000 findings: its size, how soon it can be used, filters, memory of the printer
	$(GO) -C hack/browser test -tags speed -timeout 20m -count 1 -v -run TestSpeed ./...

.PHONY: page-axe
page-axe: deps ## accessibility of the HTML page by axe-core, which npm fetches (network)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && npm install --silent --no-save --prefix "$$dir" axe-core@$(AXE) && \
		AXE="$$dir/node_modules/axe-core/axe.min.js" $(GO) -C hack/browser test -tags axe -timeout 20m -count 1 -v -run TestAxe ./...

.PHONY: screenshots
screenshots: deps build ## take the documentation's pictures of the HTML page anew
	@page=$$(mktemp) && trap 'rm -f "$$page"' EXIT && bin/kubectl-checklist --facts $(PAGE_FACTS) -o html >"$$page"; test -s "$$page" && \
		$(GO) -C hack/browser run ./shot -page "$$page" -out '$(CURDIR)/docs/images'

.PHONY: bench
bench: build ## figures: start-up, sizes, memory, readers against their peers
	@sh hack/bench/run.sh

.PHONY: bench-pods
bench-pods: build ## pods -A on a cluster of 100,000 pods, a loop that lists them, and kubectl, which takes 17 GiB
	@$(GO) run ./hack/bench/pods $(BENCHFLAGS)

.PHONY: demo
demo: deps build ## start the real cluster, plant a fault for each question, find them, and take workloads from no to yes
	@sh hack/demo/run.sh

.PHONY: cluster-up
cluster-up: deps ## start the real cluster of hack/cluster
	@$(CLUSTER) up

.PHONY: cluster-down
cluster-down: ## remove every trace of it
	@$(CLUSTER) down

.PHONY: cluster-status
cluster-status: ## what runs of it
	@$(CLUSTER) status

.PHONY: image
image: probe ## write the image of both probes, as users export it, into dist/
	@mkdir -p dist
	@$(GO) run -trimpath -ldflags '$(LDFLAGS)' ./cmd/kubectl-checklist probe-image export dist/checklist-probe.tar

# The plugin's image for examples/cronjob. It is pushed by digest: see examples/README.md.
.PHONY: plugin-image
plugin-image: probe ## build the image of the plugin, reproducibly, into dist/plugin
	@mkdir -p dist && for arch in amd64 arm64; do \
		GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/kubectl-checklist_linux_$$arch ./cmd/kubectl-checklist || exit 1; done
	@rm -rf dist/plugin && $(GO) -C hack/image run . plugin \
		-binary amd64=$(CURDIR)/dist/kubectl-checklist_linux_amd64 -binary arm64=$(CURDIR)/dist/kubectl-checklist_linux_arm64 \
		-layout $(CURDIR)/dist/plugin -tag kubectl-checklist:$(VERSION)

.PHONY: release
release: ## build every archive of VERSION, a clean tag, into dist/release, and write krew's manifest
	@$(GO) run ./hack/release -version '$(VERSION)' -image '$(RELEASE_IMAGE)'

.PHONY: generate
generate: ## write generated code and docs anew
	$(TOOL) deepcopy-gen --output-file zz_generated.deepcopy.go --go-header-file hack/boilerplate.go.txt ./pkg/api/fact ./pkg/api/v1alpha1
	$(GO) test ./pkg/checks/catalogue -run TestDocs -update
	$(GO) test ./pkg/launch -run TestRightsDoc -update
	$(GO) test ./pkg/workloadkind -run TestKindsDoc -update
	$(GO) test ./examples -run TestRights -update
	$(TOOL) gofumpt -w cmd pkg hack examples

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist pkg/launch/embedded/bin/*.zst pkg/launch/embedded/bin/*.gz

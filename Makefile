# What a newcomer types: `make demo` and `make test`, then `make lab`. The rest is in package.json.
# Each one first installs what is missing (scripts/setup.sh) and runs on the Node 24 of node_modules.
NODE := node_modules/.bin/node

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-stop test fuzz lab lab-down e2e image bench

help: ## print this list
	@echo 'Arpeggio: addresses for Services on bare metal. Needs Debian 12 (or alike), root, Node >= 20.'
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1 /p' $(MAKEFILE_LIST) | \
		while read -r goal text; do printf '  make %-10s %s\n' "$$goal" "$$text"; done

setup: ## install what the demo and the tests need
	@sh scripts/setup.sh test

demo: ## three nodes, an address that answers, a node that dies (KEEP=1 leaves it running)
	@sh scripts/setup.sh
	@$(NODE) demo/main.ts $(if $(filter-out 0,$(KEEP)),--keep)

demo-stop: ## remove every demo left running with KEEP=1
	@sh scripts/setup.sh
	@$(NODE) demo/main.ts --stop

test: ## everything that needs no Kubernetes (STEPS='unit lint' for some of it)
	@sh scripts/setup.sh test
	@$(NODE) scripts/test.ts $(STEPS)

fuzz: ## the decision of the data planes on random frames (SECONDS=600)
	@sh scripts/setup.sh test
	@$(NODE) scripts/fuzz.ts --seconds $(or $(SECONDS),600)

lab: ## a real Kubernetes, three nodes, left running (KUBELET=1: nodes that run pods)
	@sh scripts/setup.sh $(if $(filter-out 0,$(KUBELET)),kubelets,lab)
	@$(NODE) lab/main.ts up $(if $(filter-out 0,$(KUBELET)),--kubelets)

lab-down: ## end and remove every such Kubernetes (LAB=name: one of them)
	@sh scripts/setup.sh
	@$(NODE) lab/main.ts down $(LAB)

e2e: ## everything on a real Kubernetes (STEPS='story image' for some of it)
	@sh scripts/setup.sh kubelets
	@$(NODE) scripts/e2e.ts $(STEPS)

image: ## the image of both programs, dist/arpeggio.tar: no registry, no Docker
	@sh scripts/setup.sh
	@$(NODE) deploy/image/main.ts

bench: ## how fast ARP and NDP are answered, next to the kernel's own answer
	@sh scripts/setup.sh test
	@$(NODE) bench/main.ts answer

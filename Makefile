# Short names for what is done most. `cargo xtask help` and `catalyst help` list everything.
.PHONY: up test validate

up:
	cargo xtask up

test:
	cargo xtask test

# In the Kubernetes of KUBECONFIG: make validate [NAMES="rails nextjs"] [REPOSITORY=URL] [REVISION=BRANCH|COMMIT]
# The default is this checkout's commit, which has to be pushed to `origin`.
REPOSITORY ?= $(shell git remote get-url origin)
REVISION ?= $(shell git rev-parse HEAD)
validate:
	cargo run --quiet --package catalyst -- validate --repository "$(REPOSITORY)" --revision "$(REVISION)" $(NAMES)

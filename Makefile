# make test: everything, on a fresh Debian machine with Rust. make help: the other targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto

.PHONY: help test prepare fmt lint unit servers soak bench figures delivery demo

help:            ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: prepare fmt lint unit servers ## format check, clippy, all tests

prepare:         ## install what the tests need beside Rust
	@.ci/prepare

fmt:             ## formatting as rustfmt.toml says
	cargo fmt --check

lint:            ## clippy, every warning an error
	cargo clippy --locked --all-targets -- -D warnings

unit:            ## all tests that need no server
	cargo test --locked

servers:         ## tests against real servers, fetched and started by themselves
	cargo test --locked --test servers -- --ignored --test-threads 1

soak:            ## 200 kills while it delivers to a real Elasticsearch; random histories of files; 10,000 rotations; any bytes
	LOGWARDEN_KILLS=$${LOGWARDEN_KILLS:-200} cargo test --locked --test servers elasticsearch_8_15 -- --ignored --nocapture
	LOGWARDEN_MODEL_MINUTES=$${LOGWARDEN_MODEL_MINUTES:-30} cargo test --locked --test it model::minutes -- --nocapture
	LOGWARDEN_ROTATIONS=$${LOGWARDEN_ROTATIONS:-10000} cargo test --locked --test it soak:: -- --nocapture
	PROPTEST_CASES=$${PROPTEST_CASES:-20000} cargo test --locked --lib -- privacy::words privacy::token privacy::reveal privacy::tests

bench:           ## throughput, each beside a memchr line scan of the same bytes
	cargo bench --locked

figures:         ## whole-process runs of docs/PERFORMANCE.md
	cargo build --release --locked
	docs/figures.sh

delivery:        ## what delivery to Elasticsearch costs and how long it takes
	cargo build --release --locked
	cargo run --release --locked --example delivery -- all

demo:            ## the program at work, without any setting
	cargo run --release --locked -- demo

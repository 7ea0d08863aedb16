# What a person types. `make demo` and `make test` work on a machine that has Rust, gcc and apt.

DEMO = testdata/captures/relay_smb_http_adcs.pcap
FUZZ ?= session
FUZZ_SECS ?= 60
BENCH_PCAP ?= target/bench/mix.pcap
LIVE_PPS ?= 50000
LIVE_SECS ?= 10

PACKAGE_PROFILE ?= release

.PHONY: help deps build demo package test ci-full lint eval eval-accept bench bench-live bench-smoke fuzz lab lab-smoke clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

deps: ## install libpcap headers if they are missing (says so first)
	@.ci/deps

build: deps ## the program, optimised: target/release/relaywatch
	cargo build --release --locked

demo: deps ## replay a recorded attack: the alert as JSON, then a summary
	cargo build --locked
	@echo; echo "== the alerts of $(DEMO), as they go to a SIEM"
	@./target/debug/relaywatch -q -r $(DEMO) --events alert | head -c 6000
	@echo; echo "== the same for a person"
	@./target/debug/relaywatch -r $(DEMO) -o /dev/null

test: deps lint ## every check that needs only Rust, gcc and apt
	cargo test --locked
	$(MAKE) --no-print-directory bench-smoke

ci-full: ## checks that need more than apt and cargo (sigma-cli from PyPI, packages); skips only what .ci/skips lists
	.ci/full

lint: deps ## format and clippy
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

eval: deps ## score every detector on every capture there is, against the ground truth
	cargo test --locked --test eval -- --all

eval-accept: deps ## make what `make eval` finds the new baseline; read the diff before you commit it
	cargo test --locked --test eval -- --all --accept

bench: deps ## floor, replay, decode, correlate and rules (BENCH_PCAP=FILE, a large capture)
	cargo bench --locked --bench floor -- $(BENCH_PCAP)
	cargo bench --locked --bench replay -- $(BENCH_PCAP)
	cargo bench --locked --bench decode
	cargo bench --locked --bench correlate
	cargo bench --locked --bench rules

bench-live: deps ## the highest rate without loss over a veth pair (root, tcpreplay; LIVE_PPS=N LIVE_SECS=N BENCH_PCAP=FILE)
	cargo build --profile fast --locked
	RELAYWATCH=target/fast/relaywatch testdata/bench/veth.sh search $(LIVE_PPS) $(LIVE_SECS) $(if $(filter file,$(origin BENCH_PCAP)),$(wildcard $(BENCH_PCAP)),$(BENCH_PCAP))

bench-smoke: deps ## the benches on a small capture: that they run, not how fast
	RELAYWATCH_BENCH_RUNS=1 cargo bench --locked --profile dev --bench replay -- $(DEMO)
	cargo bench --locked --profile dev --bench decode -- --quick
	cargo bench --locked --profile dev --bench correlate -- --quick
	cargo bench --locked --profile dev --bench rules -- --quick

# libFuzzer's instrumentation is unstable; RUSTC_BOOTSTRAP=1 lets a stable compiler do it.
# Needs `cargo install cargo-fuzz`. Bodies: src/fuzzing.rs; `make test` replays seeds through them.
fuzz: deps ## fuzz one target with cargo-fuzz (FUZZ=session FUZZ_SECS=60)
	RUSTC_BOOTSTRAP=1 cargo fuzz run $(FUZZ) -- -max_total_time=$(FUZZ_SECS) -max_len=65536

lab: ## record every scenario into testdata/lab/out, derive, clean up (root, Debian; LAB_SEED=N repeats)
	testdata/lab/install.sh
	testdata/lab/lab.sh all

lab-smoke: ## two scenarios, from nothing to nothing; says so and skips where the lab cannot run
	testdata/lab/lab.sh smoke

package: deps ## .deb and .rpm in target/package (needs cargo-deb and cargo-generate-rpm)
	PACKAGE_PROFILE=$(PACKAGE_PROFILE) packaging/build

clean: ## remove what was built
	cargo clean

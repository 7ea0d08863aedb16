# What a person types. `make demo` and `make test` work on a machine that has only Rust, gcc and apt.
.PHONY: test
test:
	cargo test

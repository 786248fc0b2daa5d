# bench.mk - the benchmark: `make bench` runs all of it, `make bench ROW=ping-pong` a part;
# `make bench-counts` is the quick, clockless check that `make test` runs.

.PHONY: bench bench-counts

bench:
	benches/run $(ROW)

bench-counts:
	benches/counts

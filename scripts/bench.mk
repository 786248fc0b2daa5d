# bench.mk - the benchmark: `make bench` runs all of it, `make bench ROW=ping-pong` a part;
# `make bench-plots` draws its last results; `make bench-counts` is the quick, clockless check
# that `make test` runs.

.PHONY: bench bench-plots bench-counts

bench: ## the comparison with everyone; ROW=... a part of it
	benches/run $(ROW)

bench-plots: ## SVG plots of the last results
	benches/plot

bench-counts: ## instructions added to a call, against benches/counts.json
	benches/counts

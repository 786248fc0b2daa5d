# bench.mk - the benchmark: `make bench` runs all of it, `make bench ROW=ping-pong` a part;
# `make bench-plots` draws its last results; `make bench-counts` is the quick, clockless check
# that `make test` runs.

.PHONY: bench bench-plots bench-counts

bench: ## measure everything against everyone; ROW=... is a part of it
	benches/run $(ROW)

bench-plots: ## SVG plots of the table of docs/performance.md
	benches/plot

bench-counts: ## instructions per call, against what they were
	benches/counts

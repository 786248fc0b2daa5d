# mutants.mk - small faults put into the sources, one at a time, and which of them no test notices. By hand:
# a random sample of each part takes an hour or more. Included by the Makefile.

.PHONY: mutants

SEED   ?= 1
SAMPLE ?= 300

mutants: $(RELEASE)/libusocket.so.0 micropython ## small faults in the sources, and which no test notices; hours, SEED=n SAMPLE=300
	scripts/mutants/rust --seed $(SEED) --sample $(SAMPLE)
	scripts/mutants/python --seed $(SEED) --sample $(SAMPLE)
	scripts/mutants/micropython --seed $(SEED) --sample $(SAMPLE)
	scripts/mutants/score.py

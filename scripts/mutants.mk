# mutants.mk - small faults put into the sources, one at a time, and which of them no test notices. By hand:
# it takes hours. A share of them: make mutants SHARD=0/20. Included by the Makefile.

.PHONY: mutants

mutants: $(RELEASE)/libusocket.so.0 ## small faults in the sources, and which no test notices; takes hours, SHARD=k/n is a part
	scripts/mutants/rust $(if $(SHARD),--shard $(SHARD))

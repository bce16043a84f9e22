"""Random faults against jobs on every store and executor: `make chaos`."""

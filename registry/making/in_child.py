"""`python -m registry.making.in_child`: the process that `child` starts."""

from registry.making import child

JOBS = {
    "explain": "registry.making.explaining.job",
    "export": "registry.making.exporting.job",
}

if __name__ == "__main__":
    child.main(JOBS)

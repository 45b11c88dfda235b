"""Attack floor: the red-team self-test. Programs that try to break out, run on this host's own containers.

`corpus.py` reads the programs, `expectations.py` judges what became of one, `witness.py` looks at the host
afterwards, `driver.py` runs them all, `report.py` writes down what was seen.
"""

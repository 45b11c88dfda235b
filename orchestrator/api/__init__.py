"""HTTP floor: requests in, the service called, answers out. Statuses are in `problems.py` only."""

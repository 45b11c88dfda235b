"""Store floor: jobs, tenants, keys and claims that outlive the process. Knows nothing of the pool beside it."""

"""Pool floor: keeps warm containers ready, lends each one out, and never uses one for two tenants."""

"""Guard floor: source code in, findings and safe source out. Pure: no I/O, no clock, no tenant code is run."""

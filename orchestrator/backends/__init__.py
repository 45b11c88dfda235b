"""Backends floor: the only one that talks to an engine or to the kernel."""

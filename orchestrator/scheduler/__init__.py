"""Scheduler floor: one job's life, and (later) who goes next."""

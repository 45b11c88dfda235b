"""Validation floor: runs the guard on hostile sources in processes of their own, which can be ended."""

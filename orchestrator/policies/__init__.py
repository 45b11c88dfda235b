"""Policies floor: pure decisions. Each takes what is known (and the time) and answers with a plan."""

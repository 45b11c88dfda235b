"""Command line: options in, service called, result shown. Exit codes are in `exit_codes.py`."""

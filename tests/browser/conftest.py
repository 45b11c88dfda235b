"""Fixtures of the tests with a browser."""

from conftest_browser import browser, tabs

__all__ = ("browser", "tabs")

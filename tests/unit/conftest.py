"""The clock of unit tests. Here and not above: a loop factory would set session fixtures up anew for every test."""

import asyncio

from virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config, item):
    """Tests in files marked `virtual_time` run on the virtual clock, all others on the real one."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}

"""The whole service over the fake backend, on a real port: for clients that open sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from apis import House, open_house
from dispatchers import SlowBackend
from making import stream_frame

__all__ = ("Live", "live_service")


class TalkingBackend(SlowBackend):
    """A fake whose jobs print a line on each stream as they begin."""

    def answers(self, job):
        super().answers(job)
        name = str(job["job"])
        return [stream_frame(name, "hello\n"), stream_frame(name, "oh\x1b[2J\n", name="stderr")]


class Live:
    """A running service, seen from another thread."""

    def __init__(self) -> None:
        self.house: House
        self.url = ""
        self._loop: asyncio.AbstractEventLoop
        self._up = threading.Event()
        self._server: uvicorn.Server

    def key(self, *whose) -> str:
        """A new key."""
        return self.run(self.house.key(*whose))

    def run(self, coroutine):
        """What a coroutine answers, run where the service runs."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def serve(self, folder, options) -> None:
        """The body of its thread."""
        asyncio.run(self._serve(folder, options))

    async def _serve(self, folder, options) -> None:
        self._loop = asyncio.get_running_loop()
        backend = TalkingBackend()
        backend.answer = backend.answers
        async with open_house(folder, backend, **options) as self.house:
            config = uvicorn.Config(
                self.house.app,
                port=0,
                ws="none",
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=1,
            )
            self._server = uvicorn.Server(config)
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            self._up.set()
            await serving
            self.house.service.abandon()

    def wait_until_up(self) -> None:
        """Within twenty seconds, or the test fails."""
        assert self._up.wait(20)

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True


@contextmanager
def live_service(folder, **options) -> Iterator[Live]:
    """A service with its store in `folder`."""
    # Its log would be in the middle of what the tested commands print. One may run inside another's time.
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    live = Live()
    thread = threading.Thread(target=live.serve, args=(folder, options))
    thread.start()
    try:
        live.wait_until_up()
        yield live
    finally:
        live.stop()
        thread.join(30)
        structlog.configure(**before)
        assert not thread.is_alive()

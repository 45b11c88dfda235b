"""Engine proxy floor: from root, who may open any engine's socket, to a user who may open this one only."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from orchestrator.domain.errors import ConfigurationError

__all__ = ("become", "listen")

_OF_GROUP = stat.S_IRGRP | stat.S_IWGRP


def become(uid: int, gid: int, engine_socket: Path) -> None:
    """Give up root for good: `uid`, `gid`, and the group that may open the engine's socket. Raises ConfigurationError.

    Who is not root already stays who it is.
    """
    if os.geteuid() != 0:
        return
    try:
        facts = engine_socket.stat()
        if facts.st_mode & _OF_GROUP != _OF_GROUP:
            raise ConfigurationError(f"{engine_socket}: its group may not open it, so only root could")
        os.setgroups([facts.st_gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise ConfigurationError(f"cannot become {uid}:{gid}: {error.strerror}") from None
    # INVARIANT: there is no way back.
    if os.geteuid() == 0 or 0 in os.getresuid():
        raise ConfigurationError("root could not be given up")


def listen(place: Path) -> socket.socket:
    """A listening socket that its owner and its group may open. One that was left there is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        place.unlink(missing_ok=True)
        listener.bind(str(place))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot listen on {place}: {error.strerror}") from None
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener

"""Says by its exit code whether one of the two services answers. `healthcheck.py PORT` or `healthcheck.py SOCKET`.

Needs no package, so that it takes some hundredths of a second. Where it is root, as in the engine proxy's container,
it becomes the proxy's user first: root without capabilities may not open that socket.
"""

import http.client
import os
import socket
import sys

SECONDS = 5
USER, GROUP = 10002, 10001


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def connect(self) -> None:
        """Open the socket that the host names."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.host)


def main(where: str) -> None:
    """Exit with 0 where it answers, else with the reason."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(GROUP, GROUP, GROUP)
        os.setresuid(USER, USER, USER)
    if where.isdigit():
        connection, path = http.client.HTTPConnection("127.0.0.1", int(where), timeout=SECONDS), "/readyz"
    else:
        connection, path = UnixConnection(where, timeout=SECONDS), "/_ping"
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
    except OSError as error:
        sys.exit(f"{where}: {error}")
    sys.exit(0 if answer.status == http.client.OK else f"{where}: {answer.status} {answer.read(300)!r}")


if __name__ == "__main__":
    main(sys.argv[1])

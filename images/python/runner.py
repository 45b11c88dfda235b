"""Entry of the Python runner: hides its process, then hands over to the supervisor.

Owns the order of the first steps. Must not know frames, jobs or tenant code.
"""

import os
import sys

RUNNER_FOLDER = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    """The exit code of the runner, see README.md."""
    sys.path.insert(0, RUNNER_FOLDER)  # -I leaves the script's folder out
    from lockdown import hide_process

    # SECURITY: first of all. The child has the same uid; only a process that is not dumpable keeps its
    # descriptors, memory and environment under /proc from it.
    hide_process()
    from supervisor import run

    return run()


if __name__ == "__main__":
    # No finalization: nothing is left to save, and the child's memory is shared with ours.
    os._exit(main())

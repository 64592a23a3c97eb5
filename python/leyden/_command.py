"""The command ``leyden`` of a shell."""

import sys

from . import _leyden


def main() -> int:
    """Do what the arguments of this process say; returns the exit status."""
    if not hasattr(_leyden, "command"):
        print("error: this package was built without the command", file=sys.stderr)
        return 2
    status = _leyden.command(["leyden", *sys.argv[1:]])
    return 2 if status is None else status

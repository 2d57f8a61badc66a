"""The program `humboldt`, as the package installs it."""

import signal
import sys

from . import _core


def main() -> int:
    """Run the command line of this process; its exit code."""
    # Python would hold Ctrl-C back until the program returns.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _core.main(["humboldt", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

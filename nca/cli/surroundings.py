"""What libraries want to know of the user, where the system knows nothing: no home, no name."""

import getpass
import logging
import os
import tempfile


def settle_surroundings() -> None:
    """Let libraries work, and be silent, where there is no home folder or no name of the user."""
    # without a place for its settings matplotlib takes a temporary one, and says so at length
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # torch names its folder of compiled steps after it
        folder = os.path.join(tempfile.gettempdir(), f"torchinductor_{_number()}")  # noqa: PTH118
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", folder)


def _number() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0

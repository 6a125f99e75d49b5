"""Let `python -m nca` do what `nca` does."""

import sys

# `-m` puts the working folder first: a `queue.py` that lies in it is not the standard library's
sys.path.append(sys.path.pop(0))

from nca.cli import main

main()

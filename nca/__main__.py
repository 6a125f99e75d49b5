"""Let `python -m nca` do what `nca` does."""

from nca.cli import main

main()

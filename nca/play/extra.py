"""What serves the page is an extra of the package: whether it is there."""

from importlib.util import find_spec

from nca.errors import NCAError

NEEDED = ("starlette", "uvicorn", "websockets")


def demand_extra(where: str) -> None:
    """Refuse to go on where a package is missing that serves the page.

    Args:
        where: What was asked for.

    Raises:
        NCAError: One is missing.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise NCAError(
            f"the page needs {', '.join(missing)}, which is not installed.",
            where=where,
            to_do='pip install "nca[play]"',
        )

"""Text from files made safe for a terminal: control characters are shown, and not obeyed.

An escape sequence in a name, a recipe or a metric could else write to the clipboard, rename the
window or turn the direction of what follows. Every line of the command line passes `visible`.
"""

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, delete, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the direction of writing
    "\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # nothing is seen of them
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that a terminal obeys, hides or cannot write."""


def visible(text: str) -> str:
    """Return a text in which each such character is written as in Python, with a backslash."""
    return UNSEEN.sub(_written, text.replace("\r\n", "\n"))


def _written(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


class VisibleConsole(Console):
    """A console of rich that passes all it draws through `visible`: lines, tables and panels.

    Attributes:
        spoken: Whether it has written anything.
    """

    spoken = False

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of something, those that move the cursor as they are."""
        self.spoken = True
        for segment in super().render(renderable, options):
            unsafe = not segment.control and UNSEEN.search(segment.text)
            yield segment._replace(text=visible(segment.text)) if unsafe else segment

"""Letters for arrangements of neighbours: Hensel's on square grids, three on hexagonal ones.

A letter stands for all arrangements that turn into each other when they are turned or mirrored.
Each is drawn here once, the rest follows: 102 classes of eight neighbours, cells of both states
counted. Five to eight neighbours have the letters of what is left empty.

Legend: N neighbours.
"""

from functools import cache

from nca_plugins.discrete.rule_string import HEXAGONAL, MOORE, VON_NEUMANN, Offset

EXAMPLES = {
    MOORE: {
        1: {"c": "O.. ... ...", "e": ".O. ... ..."},
        2: {
            "c": "O.O ... ...",
            "e": ".O. O.. ...",
            "k": "O.. ..O ...",
            "a": "OO. ... ...",
            "i": "... O.O ...",
            "n": "O.. ... ..O",
        },
        3: {
            "c": "O.O ... O..",
            "e": ".O. O.O ...",
            "k": ".O. ..O O..",
            "a": "OO. O.. ...",
            "i": "OOO ... ...",
            "n": "O.O O.. ...",
            "y": "O.. ..O O..",
            "q": ".OO ... O..",
            "j": ".OO O.. ...",
            "r": "O.. O.O ...",
        },
        4: {
            "c": "O.O ... O.O",
            "e": ".O. O.O .O.",
            "k": "OO. ..O O..",
            "a": "OOO O.. ...",
            "i": "O.O O.O ...",
            "n": "OOO ... O..",
            "y": "O.O ..O O..",
            "q": ".OO ..O O..",
            "j": ".O. O.O O..",
            "r": "OO. O.O ...",
            "t": "O.. O.O O..",
            "w": ".OO O.. O..",
            "z": "..O O.O O..",
        },
    },
    VON_NEUMANN: {1: {"e": ".O. ... ..."}, 2: {"e": ".O. O.. ...", "i": "... O.O ..."}},
    HEXAGONAL: {
        2: {"o": "OO. ... ...", "m": "O.. ..O ...", "p": "O.. ... ..O"},
        3: {"o": "OO. ..O ...", "m": "OO. ... .O.", "p": "O.. ..O .O."},
    },
}
"""One arrangement for each count and letter; the cell itself is in the middle."""


@cache
def by_letter(offsets: tuple[Offset, ...], count: int) -> dict[str, frozenset[int]]:
    """Return the arrangements of so many neighbours by letter; none where there are no letters.

    Args:
        offsets: `MOORE`, `VON_NEUMANN` or `HEXAGONAL`; bit `N - 1 - n` of an arrangement is
            neighbour n.
        count: How many neighbours are alive.
    """
    examples = EXAMPLES.get(offsets, {})
    if count * 2 > len(offsets):
        all_of_them = (1 << len(offsets)) - 1
        mirrored = by_letter(offsets, len(offsets) - count)
        return {
            letter: frozenset(all_of_them - one for one in those)
            for letter, those in mirrored.items()
        }
    return {
        letter: frozenset(
            sum(1 << (len(offsets) - 1 - n) for n, at in enumerate(offsets) if turn[at] in alive)
            for turn in symmetries(offsets)
        )
        for letter, drawn in examples.get(count, {}).items()
        for alive in [{at for at in offsets if drawn.split()[at[0] + 1][at[1] + 1] == "O"}]
    }


def symmetries(offsets: tuple[Offset, ...]) -> list[dict[Offset, Offset]]:
    """Return every turn and mirror image of a neighbourhood: where each neighbour comes to stand.

    They are those exchanges of neighbours that keep apart, and side by side, what was so.
    """
    ring = _ring(offsets)
    step = 2 if len(ring) == 8 else 1  # a corner does not turn into an edge
    found = []
    for start in range(0, len(ring), step):
        for way in (1, -1):
            turned = [ring[(start + way * n) % len(ring)] for n in range(len(ring))]
            found.append(dict(zip(ring, turned, strict=True)))
    return found


def _ring(offsets: tuple[Offset, ...]) -> list[Offset]:
    """Return the neighbours clockwise, from the one above left."""
    around = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    return [offset for offset in around if offset in offsets]

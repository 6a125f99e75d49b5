"""Rules that have names: `Life`, `Brian's Brain`, `WireWorld`, in any case, spaces left out or in.

Golly, LifeViewer and the LifeWiki know most of them by the same names.
"""

import re

import torch

from nca import TableTerm
from nca_plugins.discrete.rule_string import MOORE, RuleString

STRINGS = {
    "Life": "B3/S23",
    "Conway": "B3/S23",
    "Conway's Life": "B3/S23",
    "Game of Life": "B3/S23",
    "Conway's Game of Life": "B3/S23",
    "2x2": "B36/S125",
    "3-4 Life": "B34/S34",
    "34 Life": "B34/S34",
    "Amoeba": "B357/S1358",
    "Anneal": "B4678/S35678",
    "Assimilation": "B345/S4567",
    "Coagulations": "B378/S235678",
    "Coral": "B3/S45678",
    "Day & Night": "B3678/S34678",
    "Day and Night": "B3678/S34678",
    "Diamoeba": "B35678/S5678",
    "DotLife": "B3/S023",
    "DryLife": "B37/S23",
    "EightLife": "B3/S238",
    "Flock": "B3/S12",
    "Fredkin": "B1357/S02468",
    "Gnarl": "B1/S1",
    "H-trees": "B1/S012345678",
    "HighLife": "B36/S23",
    "Iceballs": "B25678/S5678",
    "Life without Death": "B3/S012345678",
    "Live Free or Die": "B2/S0",
    "Long Life": "B345/S5",
    "LowLife": "B3/S13",
    "Maze": "B3/S12345",
    "Mazectric": "B3/S1234",
    "Morley": "B368/S245",
    "Move": "B368/S245",
    "Pedestrian Life": "B38/S23",
    "Replicator": "B1357/S1357",
    "Seeds": "B2/S",
    "Serviettes": "B234/S",
    "Stains": "B3678/S235678",
    "Vote": "B5678/S45678",
    "Walled Cities": "B45678/S2345",
    "Just Friends": "B2-a/S12",
    "tlife": "B3/S2-i34q",
    "Brian's Brain": "B2/S/C3",
    "Brain": "B2/S/C3",
    "Star Wars": "B2/S345/C4",
    "Bombers": "345/24/25",
    "Belzhab": "23/23/8",
    "Faders": "2/2/25",
    "Fireworks": "2/13/21",
    "Frogs": "12/34/3",
    "Lava": "12345/45678/8",
    "Prairie on Fire": "345/34/6",
    "RainZha": "2/23/8",
    "Spirals": "2/234/5",
    "Sticks": "3456/2/6",
    "Swirl": "23/34/8",
    "Transers": "345/26/5",
    "Worms": "3467/25/6",
    "Xtasy": "1456/2356/16",
    "Bosco": "R5,C0,M1,S34..58,B34..45,NM",
    "Bosco's Rule": "R5,C0,M1,S34..58,B34..45,NM",
    "Bugs": "R5,C0,M1,S34..58,B34..45,NM",
    "Globe": "R8,C0,M0,S163..223,B74..252,NM",
    "Majority": "R4,C0,M1,S41..81,B41..81,NM",
    "Waffle": "R7,C0,M1,S100..200,B75..170,NM",
}
"""The string of each name."""


def plain_name(text: str) -> str:
    """Return letters and digits of a name, small."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


BY_PLAIN_NAME = {plain_name(name): string for name, string in STRINGS.items()}


def wireworld(text: str) -> RuleString | None:
    """Read the name of Wireworld (B. Silverman, 1987), which no string of counts can say.

    States: 0 empty, 1 the head of an electron, 2 its tail, 3 a conductor, which becomes a head
    beside one or two heads.
    """
    if plain_name(text) != "wireworld":
        return None
    successors = torch.tensor([0, 2, 3, 3])[:, None].repeat(1, 9)
    successors[3, 1:3] = 1
    term = TableTerm(MOORE, (1,) * 8, successors, counted=(1,))
    return RuleString("WireWorld", "Wireworld", term)

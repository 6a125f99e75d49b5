"""Cells of a few states: rule strings, pattern files, and the task that shows them.

    nca play "B36/S23"               any rule string; a soup to begin with
    nca play glider.rle              a pattern file, under the rule of its header
    nca play acorn                   a pattern that comes along, under its rule
    nca play gosper_gun              recipes: also highlife, brians_brain, wireworld, rule_110

Rule strings, in either case:

    B3/S23, b3s23, S23/B3, 23/3      births and survivals; survivals first where letters are missing
    B2-a3i/S12                       Hensel's letters: of two neighbours all arrangements but a
    B2/S/C3, g3b2s, /2/3             Generations: what dies fades
    B2/S013V, B2/S34H                four neighbours (von Neumann), six (hexagonal)
    MAPARYX...                       a bit for every arrangement, in base64
    R5,C0,M1,S34..58,B34..45,NM      Larger than Life
    W30, R2,W3283936144, rule 30     rows of cells, by Wolfram's numbers
    R2,T20, C3,T777, code 777        by the sum of cells: of two colours, of three
    Life, HighLife, WireWorld        names
    :T30,20  :P30,20  at the end     a torus 30 cells wide and 20 high; a plane with empty edges

A rule that is born from nothing (B0) runs as it says: on a torus everything blinks. Klein bottles,
spheres and shifted tori are refused by name. The rules `discrete` and `life` take such strings:

    [[levels]]
    name = "cells"
    channels = 1
    rules = [{ name = "discrete", rule = "B2-a/S12" }]

    [task]
    name = "pattern"
    pattern = "glider"               or "my.rle", "my.cells", "my.npy", "bo$2bo$3o!"; or soup = 0.3

Public modules: `families` reads rule strings, each family in a file of its own (`life_like`,
`maps`, `larger_than_life`, `wolfram`, `names`) as a `rule_string`, with `letters` for Hensel's and
`bounded` for suffixes; `table_rule` has the rules. `pattern` is what `rle` and `plain_text` read
and write, `pattern_files` opens, and what is `pasted` on a page; `patterns` come along; `task`,
`foreign`, `colours` and `notation` show them.
"""

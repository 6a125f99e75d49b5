"""Check a rule against the laws that every rule keeps.

A law is a property of a cellular automaton on a torus: to move a state and then step it is to step
and then move it; a touched cell changes only its neighbourhood; the samples of a batch do not see
each other; the same random seed gives the same bits; every weight gets a gradient. Most rules that
break one have a bug which training would hide.

    nca check mine.py                   all rules that a file registers
    nca check mine.py --law tiling      one law alone
    nca check NAME                      a registered rule
    nca check NAME --set hidden=8       with options of its own, as a recipe has them
    nca check --installed --json        all that are installed, for programs

Each law gets a line: `held`; `broken`, with the smallest example that was found, in words and as a
line of Python which repeats it; `n/a`, it does not apply, and why; or `open`, the rule stands
still, so that nothing was tested. Then it is said what the rule would gain by declaring more. The
command ends with 0 if no law is broken, 1 if one is, and 2 if the rule could not be checked. It
takes a minute at most, one example aside (`--budget SECONDS`), and is usually done sooner: each law
is tried on up to 25 examples (`--examples`), on fewer where the first one took long, and is `open`
where no time was left for it. With enough time a rule is given the same examples in every run.

In a test of your own, which pytest shows law by law:

    from nca.testing import laws
    test_mine = laws(Mine)              # or laws(Mine, options={"hidden": 8})

Where a law does not hold:

- `dtype`, `old-state`, `inputs`, `shown`: return a new tensor in the shape and dtype of
  `view.own`, and write into nothing that the view shows: `x = view.own + 0.1`, not `x += 0.1`.
- `view`, `reads`: read levels by the view alone, and declare them in `reads`.
- `translation`, `tiling`, `locality`: look at neighbours by `view.neighbours` and its like, never
  by `roll`, padding, or a mean over the grid; declare a `radius` above 1.
- `batch`, `shards`: no batch normalisation, and nothing that depends on a sample's place.
- `replay`, `split`, `recomputation`, `saving`: draw by `view.uniform` and its like, and keep
  nothing from one step to the next but parameters and buffers.
- `gradient`: every parameter takes part, and nothing is detached on its way.
- `program`, `fused`, `sparse`, `tiled`, `bits`: what is declared is what is computed.

The weights are drawn before a law is put to a rule, since one whose last layer starts at zero
would keep every law by standing still. A rule is placed on the middle one of three levels, in
surroundings that suit its `needs`; options that are not given have their defaults. The checks need
Hypothesis, which is installed with `nca` and imported by nothing else.

Public to the other folders: `check`, `gains`, `harness`, `law`, `subject`, `verdict`
and `words`.
"""

from nca.testing.door import demand_hypothesis, laws, reproduce

__all__ = ["demand_hypothesis", "laws", "reproduce"]

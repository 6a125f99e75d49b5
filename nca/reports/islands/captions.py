"""Captions: what each measure and picture means, in a sentence."""

MEANINGS = {
    "contrast": "How much more neighbouring cells agree (cosine, the mean of the grid taken away) "
    "than any two cells of the grid; 0 means no islands.",
    "collapse": "Which share of the cells' squared length is one vector common to all of them, "
    "from 0 to 1. Near 1 the level has collapsed, and its islands mean little.",
    "rank": "How many dimensions the cells make use of: the exponential of the entropy of the "
    "singular values; at most the number of channels.",
    "islands": "How many patches of at least {smallest} cells there are in which each cell agrees "
    "with a neighbour beyond a cosine of {threshold}.",
    "area": "Cells of an island, on average over islands.",
    "weighted area": "Cells of the island that a covered cell finds itself in, on average over "
    "cells; crumbs count little.",
    "coverage": "Share of all cells that lie in an island.",
    "effective": "How many islands of one size would be as diverse: the exponential of the entropy "
    "of their shares of the covered cells.",
    "settled": "First step in which the level moves by less than a thousandth of its length, over "
    "the samples that get there and never diverge.",
    "energy": "How far cells are from agreement with those around them, in a Hopfield network's "
    "measure: -0.5 where all hold one vector, above 0 where neighbours contradict each other. One "
    "consensus step of one cell lowers it; when all move at once it need not fall.",
    "growth": "Rank correlation (Spearman) of a level's place with its size-weighted area: 1 if "
    "islands grow with every level, -1 if they shrink; at the threshold of {threshold}, and of the "
    "areas under the curves of all thresholds.",
    "nesting": "1 - H(upper | lower) / H(upper): 1 if each island lies wholly inside one island of "
    "the level above. Coarse islands nest by chance, so the same islands are also moved at random "
    "around the grid.",
    "sweep": "The same islands at every threshold from {first} to {last}, and the area under each "
    "curve divided by its width, so that no threshold is picked to please.",
    "ARI": "Adjusted Rand index over the cells of true segments: 1 if they are found exactly, 0 on "
    "average by chance. Cells in no island stand alone.",
    "NMI": "Normalised mutual information over the same cells: 1 if found exactly. It rises by "
    "chance with the number of segments, so read it beside the Rand index.",
    "overlap": "Best intersection over union that a found segment has with each true one, on "
    "average.",
    "islands against the truth": "Islands know neither the foreground nor how many segments there "
    "are.",
    "clusters against the truth": "Foreground cells clustered by average linkage of the cosine, "
    "given the true number of segments.",
    "patches of the foreground": "What is connected in the true foreground, with no automaton at "
    "all: what islands have to beat where segments touch.",
    "places of the foreground": "Foreground cells clustered by where they lie, with no automaton "
    "at all, given the true number of segments: what clusters have to beat where segments are "
    "compact.",
    "probe": "Share of cells whose category a linear probe tells from the embedding of one level. "
    "The probe is fitted to other samples than it is judged on; beside it stands what always "
    "naming the most frequent category would reach.",
    "untrained": "The same recipe with the weights that its random seed gives, on the same "
    "samples.",
    "shuffled": "The trained automaton on the same samples, the cells of the input in random "
    "order: whatever agreement is left is the automaton's own.",
}
"""By measure or control; filled in with the numbers of a plan."""

CAPTIONS = {
    "components": "Principal components as colour. Red, green and blue are a level's first three "
    "components; one basis serves all samples and moments of a level, so equal colours are equal "
    "vectors. It is fitted up to the step of the tables. Colours of different levels cannot be "
    "compared.",
    "angles": "Direction and length. Hue is the angle in the plane of a level's first two "
    "components at that step, brightness the length: one hue is one opinion, black is none.",
    "outlines": "Islands, tinted and outlined, over what the automaton saw or drew. Cells without "
    "a tint lie in no island; on a torus an island may go on at the opposite edge.",
    "through_time": "One sample through time, top level above, in the colours of the principal "
    "components; the last two columns lie beyond the steps that were trained for.",
    "pictures": "What the task shows of the same samples, through time.",
    "course": "Contrast, collapse and number of islands over the steps, averaged over the samples; "
    "the dotted line marks the step at which the tables are taken, beyond which fewer samples are "
    "followed.",
    "sweep": "Size-weighted area as a share of the grid, coverage and number of islands over the "
    "threshold; the dotted line marks the threshold of the tables.",
    "rest": "Mean length of a step's change over the mean length of the vectors; below the dotted "
    "line a level counts as settled.",
}
"""By picture."""

"""Which of one's own pictures are kept apart for the test, where none is named."""

import numpy as np


def for_test(labels: np.ndarray, share: float) -> np.ndarray:
    """Return which samples are kept apart: so many of each class, drawn by counted randomness.

    The same samples are drawn every time, whatever the run's random seed. Of a class that has at
    least two, at least one is kept apart and one is not.

    Args:
        labels: The class of each sample, `(sample,)`.
        share: Of each class; 0: none at all.
    """
    from nca import HostRNG  # torch, which the list of data sets does without

    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        count = min(max(round(share * len(places)), 1), len(places) - 1) if share else 0
        order = HostRNG(0, int(label)).order("kept for the test", len(places)).numpy()
        chosen[places[order[:count]]] = True
    return chosen

"""Measure a checkpoint on data that it was not trained on.

    nca evaluate CHECKPOINT                        as its recipe's [evaluate] says
    nca evaluate CHECKPOINT --steps 8 --steps 16   at these steps
    nca evaluate CHECKPOINT --steps settle         where nothing moves any more
    nca evaluate CHECKPOINT --untrained            its recipe with first weights, to compare with

Metrics are the task's own; `[evaluate] disturb` continues after another input or a cut.
`--split held_out` measures on training data that no training saw. Other questions:
`nca help islands`, `nca help robustness`.

    nca predict CHECKPOINT my/pictures             a row for each picture, and masks beside it

`evaluate` measures, `predict` answers for a person's own pictures, `predict_large` for one whose
cells do not fit into memory: they lie on disk and step tile by tile, to the same outcome.
`finish_run` evaluates a finished run and draws its pictures, `shared` lets several processes share
what was trained. Public to the other folders: every
module.
"""

"""Sweeps: variants of a recipe, each trained under several random seeds, and compared.

    nca sweep RECIPE --over rollout.fire_rate=0.5,1 --seeds 3
    nca sweep RECIPE --variants variants.toml --jobs 2

The first trains a grid of variants, the second those of a file; both print means and deviations
over random seeds, best variant first. The same command again continues where it was stopped. A run
of a sweep is a run like any other, in a folder of its own. What is compared is measured on held-out
data, unless `--split test` asks for the test set.

`request` parses what is asked, `plan` lists the runs, `folder` keeps them apart, `worker` and
`processes` run them, `results` gathers. Public to the other folders: every module.
"""

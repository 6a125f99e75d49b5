"""Checkpoints: one safetensors file with weights and recipe, found by name and loaded.

CHECKPOINT is, in every command, a file, a run's folder (its best weights), or the name of one that
is installed:

    nca inspect CHECKPOINT            levels, rules, parameters, overrides and what was measured
    nca inspect CHECKPOINT --recipe   the recipe alone
    nca evaluate CHECKPOINT           measure it again
    nca import NAME FILE              turn published weights into a checkpoint

`last.safetensors` of a run holds all that is needed to go on: weights, optimiser, averaged weights,
pool and iteration; `best.safetensors` holds the weights that were best on held-out data, with what
they measured. Nothing in such a file is executed, and writing is atomic: at every moment either
the old or the new file is whole.

From Python, `nca.Trained.load(name, device)` gives an automaton with its task. `file` is the
format, `tensor_file` writes its tensors piece by piece, `find` looks for names, `within` reads the
recipe in a module, `trained` loads, `overridden` lets overrides take effect. Public to the other
folders: every module.
"""

"""What an automaton is trained for: batches, pool, damage, losses, metrics, display.

A task is a plugin, a subclass of `nca.Task`: it draws training and evaluation batches, computes
the loss of final states, measures them, and says how to show them. `nca plugins` lists the tasks
there are with their options, which are the keys of `[task]` in a recipe.

- `task`: the contract, `Task`, with its defaults.
- `watched`: tasks that nothing is trained for, `WatchedTask`.
- `contract`: what a task must answer, judged where its methods answer.
- `batch`: states, and beside each the truth that loss and metrics compare with.
- `pool`: states kept between iterations, `[pool]`: fresh, exchanged and damaged ones.
- `damage`: what training and `nca examine` cut from a state: shape, share of the grid, place.
- `losses`, `metrics`: one number per sample, and shares that add up over batches.
- `prediction`: what `nca predict` writes down of a picture.
- `display`: how pages and pictures show a task's cells.

Public to the other folders: every module. Plugins take `losses`, `metrics` and `display` from
`nca`.
"""

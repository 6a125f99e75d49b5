"""Recipes: one TOML file with all that decides a run, checked as a whole, and built.

    nca recipes list                         names, first lines, and which have weights
    nca recipes show NAME > mine.toml        a recipe of your own to start from
    nca recipes check mine.toml              every fault, with its line
    nca recipes schema > recipe.schema.json  for editors: all keys, with the options of plugins
    nca run mine.toml --set train.batch=32   any key can be overridden

Tables, in order: `[grid]` (size, topology), `[[levels]]` from the bottom up (channels, and rules
as `{ name = "RULE", ... }`), `[rollout]` (steps, fire rate, noise, alive mask, skips), `[task]`,
`[pool]`, `[train]`, `[evolve]`, `[evaluate]`. `plugins = ["file.py"]` at the top names files
beside the recipe that register more. The options of a rule or task are the arguments of its class:
`nca plugins` lists them. The first lines of a recipe say what it is and what was measured with it.

A path in a recipe is relative to it; one on the command line (`--set task.target=my.png`) to where
it was typed; `~` is the home folder in both. The text of a recipe, overrides written into it, is
saved with the weights, and so are the files that it names (pictures, plugin files and the modules
beside them, up to 32 MB each), so that a checkpoint alone says what was run, and goes on anywhere.

A recipe may name plugin files, and these may do whatever a program of yours may: `nca recipes
check` executes none (`--trust` lets it), the other commands say which ones they are about to
execute. Those that a checkpoint carries are executed with `--trust` alone, and by
`nca run --resume RUN` in the run's own folder.

All that is wrong is said in one round, as far as one fault does not hang on another: types and
ranges, options of plugins, values that do not go together, what rules need (`nca help rules`) and
what they and the task refuse. Senseless values are refused as well: a drop after the last
iteration, a key without effect. Where `--set` has made something senseless that the recipe says,
as by fewer iterations, it is noted and the run goes on. Every count has a bound, and states or
weights that no memory can hold are refused before any is made. A recipe has at most 1 MB.

`recipe` is the front: `Recipe.parse`, `automaton()`, `task()`, `check()`; `tables` the keys with
their types; `draft` is a text with its overrides, `recipe_files` reads the files that a recipe
names, `paths` says which of its values are paths; `relations` is what does not go together, `check`
and `salvage` find all faults at once, `unexecuted` those that show before plugin files are
executed, `build` makes rules and task, `memory` counts bytes,
`precision` times products, `varied` knows what copies of a population may have otherwise,
`describe` writes the recipe of an automaton; `text`, `overrides`,
`lines`, `errors` and `json_schema` serve it.
Public to the other folders: `recipe`, `draft`, `memory`, `paths`, `precision`, `recipe_files`,
`tables`, `errors`, `json_schema`, `overrides`, `describe`, `unexecuted`, `varied`.
"""

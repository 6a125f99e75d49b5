"""Update rules, tasks, data sets, targets and importers of the recipes.

They enter through the same entry points as yours, and import only what is public:
`nca help rules`.
"""

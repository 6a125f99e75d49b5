"""Update rules, tasks, datasets and targets of the recipes: plugins like any stranger's."""

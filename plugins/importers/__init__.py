"""Published weights: an importer for each model, and readers of the files they come in.

    nca import seed-glom best_models            R. Ryan's GLOM notebook
    nca import growing FILE                     Growing Neural Cellular Automata
    nca import self-classifying FILE            Self-classifying MNIST Digits

writes a checkpoint that evaluates, renders and trains on. `importers` knows what the authors of
each model called its tensors; `torch_files` (with `pickle_reader`) and `json_files` read the
formats and run nothing that is in them.
"""

"""Published weights: an importer for each model, and readers of the files they come in.

`importers` knows what the authors of each model called its tensors; `torch_files` (with
`pickle_reader`) and `json_files` read the formats and run nothing that is in them.
"""

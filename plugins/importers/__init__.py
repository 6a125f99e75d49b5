"""Published weights: an importer for each model, and readers of the files they come in.

    nca import growing FILE                     Growing Neural Cellular Automata
    nca import texture FILE                     Self-organising textures
    nca import self-classifying FILE            Self-classifying MNIST Digits
    nca import seed-glom best_models            R. Ryan's GLOM notebook

writes a checkpoint that evaluates, renders, plays, and trains on: nca run RECIPE --from FILE.

A FILE may be safetensors or what `torch.save` wrote, a state dict, a module, or a whole training's
dictionary: nothing in it is executed. Layers are found by their shapes, whatever their names
(`fc0`, `w1`, `model.update.0`) and what stands before them (`module.`, `_orig_mod.`); 1x1
convolutions and linear layers are alike; a missing bias is zero. The forms in which the articles
published theirs are read as well: frozen graphs in JSON, bytes, base64 in JavaScript.

Automata that perceive through fixed kernels differ in how their first layer is laid out. `growing`
and `texture` take it from kernels that lie in the file; without any, they grow a seed with each
layout and say which one lives. What no seed can tell is an option, `--set KEY=VALUE`:

    features    channel, kernel: what lies together in the first layer
    gain        how many times Sobel's kernels divided by 8 theirs are, such as 8
    slopes      xy, yx, x-y, ...: their order, and `-` where an axis points the other way; a
                picture that grows turned or mirrored asks for it
    part        where the names of its tensors start, in a file with more than one network

`importers` knows what the authors of each model made; `layers` finds layers, `features` and `trial`
say what they perceive; `torch_files` (with `pickle_reader`) and `json_files` read the formats.
"""

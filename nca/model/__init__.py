"""Whole automata in Python and in notebooks: load, train, roll out, film, play, export, save.

    model = nca.load("texture")                 a name, a file, or a run's folder
    model.film(96)                              a notebook shows it moving
    model.play()                                the live page, in the cell
    model.examine("damage", quick=True)         a report: a verdict and tables; model.islands()
    model.export("mine.html")                   a page for any browser; .onnx: one step
    model = nca.train("mine.toml", train={"iterations": 500})
    nca.save(automaton, "mine.safetensors")     one of your own loop; nca.load takes it back
    nca.Model.from_automaton(automaton)         the same without a file: film, play, export

All of it is what the command line uses itself. `model` is the class; `train` and `save` return
and write one; `build` describes automata that have no recipe, `reports` asks what they do; `film`,
`notebook` and `playing` show themselves in notebooks. Public to the other folders: `model`, `film`,
`playing`, `reports`, `save`, `train`.
"""

"""What is wrong with a value, in the same words for recipes and for Python.

`faults` words what pydantic found and collects it in an `OptionError`, `checked` makes classes that
check their arguments, `arguments` reads the options of plugins off their signatures. Public to the
other folders: every module.
"""

"""Data sets of one's own: folders of pictures, arrays, and what torchvision has.

`folder` reads one folder of pictures for each class, `arrays` files of numpy, `torchvision` the
sets that torchvision can fetch; `nca help data` shows how a recipe names them.
"""

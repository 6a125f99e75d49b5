"""Records: recipes that are measured against the best published automaton, and what they reached.

    nca recipes show smallest_mnist             its first lines: what it measured
    nca evaluate smallest_mnist

Votes of all cells on MNIST's 10,000 test images at the trained steps, twice and four times as many,
one run each, random seed 0:

    recipe            parameters  at once   twice    four times
    glom_mnist_long   28,621      99.34 %   99.30 %  99.32 %
    glom_mnist_small  9,166       97.81 %   97.65 %  96.25 %
    smallest_mnist    3,355       97.37 %   96.74 %  95.10 %

Published of an automaton: 97.8 % of the live cells right, with 22,500 parameters (NCAtorch, arXiv
2604.24990); of nets of any kind: 98 % with 575, above 99 % with 3,888.
"""

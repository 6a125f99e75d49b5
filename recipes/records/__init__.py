"""Records: recipes that are measured against the best published automaton, and what they reached.

    nca recipes show smallest_mnist_99          its first lines: what it measured
    nca evaluate smallest_mnist_99

Votes of all cells on MNIST's 10,000 test images at the trained steps, twice and four times as many;
over random seeds 0, 1, 2, or one run:

    recipe             parameters  at once           twice             four times
    glom_mnist_long    28,621      99.34 %           99.30 %           99.32 %
    smallest_mnist_99  5,558       99.45 +- 0.02 %   99.39 +- 0.02 %   99.37 +- 0.02 %
    smallest_mnist_98  1,460       98.48 +- 0.14 %   98.16 +- 0.17 %   98.09 +- 0.16 %

Published of an automaton: 97.8 % of the live cells right, with 22,500 parameters (NCAtorch, arXiv
2604.24990); of nets of any kind: 98 % with 575, above 99 % with 3,888.
"""

"""Steps of bits: cells of few states, 64 to a word, by circuits of logic gates.

A rule that says its successors as a table (`nca.TableTerm`), or as a network of hard logic gates
(`nca.GatesTerm`), has a circuit: and, or, xor and not of the bits that a cell sees. Computed on
words of 64 bits it steps 64 cells at once. A state of n states takes as many planes of bits as n
has binary digits. A grid's first axis is cut into up to 64 parts of equal length, and bit j of a
word is a cell of part j, so that neighbours stand in neighbouring words, without any shift but at
the seams of the parts.

- `circuit`: circuits as data, and a builder that shares what is equal.
- `derive`: the circuit of a term, checked against it.
- `plan`: how a circuit is computed on words, gates that differ by a move only once.
- `words`: cells packed into words, and the words beyond the edges.
- `stepper`: the steps, and where they are possible.

Public to the other folders: `circuit`, `derive` and `stepper`.
"""

"""Take an automaton away: as a page for a browser, as ONNX, as a plain module, or as C.

    nca export CHECKPOINT --to html                  a page; the graphics card computes it
    nca export CHECKPOINT --to html --engine onnx    a page for any rule, on the processor
    nca export CHECKPOINT --to onnx                  one step, for any grid size and fire mask
    nca export CHECKPOINT --to torch                 a plain module of PyTorch to take away
    nca export CHECKPOINT|RECIPE --to c              a C program that steps a grid of few states

What is exported is run where it will run, and compared with torch before it is written. A page is
one file that asks for nothing else, with the same fire masks as torch. Cells of few states are
stepped there as bits, where there is a circuit. Rules that declare no `program()` go into a page
with `--engine onnx`: it holds the ONNX graph of a step and computes it itself, as long as the graph
needs only some eighty operations; one that it does not know is refused by name. ONNX
needs `pip install "nca[onnx]"`.

Levels of different resolution (`[[levels]] scale`) go out as they are read in torch: on a page each
level that rules read in another resolution is a texture of its own, drawn before a step; a model in
ONNX takes any grid that the coarsest cells divide. C programs step one level, and refuse them.

A comparison takes single steps, and many in a row, from states of the task's example moved to the
edge of the grid, or from random ones where the example stays as it is. A difference may be a
thousandth of what a step changes. Where nothing happens, the file says that nothing was compared.
Models in ONNX are tried on grids of other sizes too, down to one cell.

Pages on the graphics card refuse skips, axes other than two, normalised embeddings, location codes
and attention inside `lateral`. All but skips can go to ONNX, and with `--engine onnx`
all but skips and other axes go into a page. A plain module is a folder with `automaton.py`, a few
dozen lines that need torch and safetensors alone, and `weights.safetensors`; it takes what declares
a `program()` on two axes, without attention, location codes and skips. What was measured:
`nca help measured`.

A C program is one file of C99: `cc -O2 -o life life.c`, `./life --steps 100 < rows.txt`. It steps
one level whose only rule is a table (`nca.TableTerm`) or hard logic gates (`nca.GatesTerm`), on a
torus of one or two axes where all cells fire. Where there is a circuit, 64 cells are stepped at a
time; otherwise each is looked up. It reads and writes rows of digits, or of numbers where there are
more than ten states, one block of rows for each channel; `--random 1024x1024 --speed` times it. A
C compiler (`cc`, `gcc`, `clang`, or one named in `CC`) is needed for the comparison alone.

`html` writes pages, `onnx` models, `torch_module`, `torch_source` and `torch_text` plain modules,
`c_program`, `c_source` and `c_text` C programs; `verify` compares with torch; `example`,
`page_data`, `page_bits`, `page_views`, `readings`, `texels`, `onnx_step`, `onnx_inputs`,
`onnx_trial`, `onnx_json` and `browser` serve them. Public to the other folders: `browser`, and what
`__all__` names.
"""

from nca.export.c_program import write_c
from nca.export.html import write_html
from nca.export.onnx import write_onnx
from nca.export.torch_module import PlainModule, plain_module
from nca.export.verify import Difference

__all__ = ["Difference", "write_c", "write_html", "write_onnx", "PlainModule", "plain_module"]

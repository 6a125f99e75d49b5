"""What was measured of speed, memory and exports; beside it lie the cases of `nca bench`.

Unless another clock is named: one thread of a two-core CPU, processor time, since the machine had
other work; medians of up to five rounds in which the ways take turns, quartiles within 5 % of them.
Training is a rollout, its loss, gradient and optimiser.

Older than what follows: these rows were taken before steps in tiles, which took over textures and
self-classifying cells ("What is chosen on a CPU" below is of now), and are to be taken again.

    nca bench --way engine --way bfloat16 --processor-time

    training iteration, ms                 plain  engine         engine,        memory, MB: plain,
                                                                 bfloat16       engine, bfloat16
    growing 72x72, batch 8, 16 steps,        998    174 (5.8x)     139 (7.0x)     673,   130,  97
      28 % alive
    self-classifying 28x28, batch 16,        620    125 (4.8x)     103 (5.9x)     261,    68,  46
      20 steps, 25 % alive
    GLOM at the notebook's size,             798    759 (1.04x)    405 (1.98x)    390,   453, 222
      batch 60, 10 steps
    texture 128x128, batch 2, 16 steps,      499    508 (1.0x)     273 (1.8x)     399,   392, 216
      no alive mask
    GLOM large, batch 16, 20 steps         2,040  1,912 (1.07x)  1,208 (1.7x)   1,462, 1,137, 649

`plain` is the whole grid, every rule its own convolution, eager, float32. GLOM large runs at 67 %
of the matrix product that the same core reaches in float32 (48 % in bfloat16), textures at 38 %
(31 %).

Life as bits on 1,024 x 1,024 cells (`nca bench --case life_1024 --way engine`, 64 steps, packing
included, AMD EPYC): 3.3e9 cell-steps a second, 45 times the plain step. Beside numpy in one run
(`tests/beside_numpy.py`, a loaded machine): bits 3.3e9, numpy with 64 cells to a word 3.9e9, with a
byte a cell 2.2e9; on 8,192 x 8,192 cells 4.3e9, 1.1e9 and 0.54e9.

Beside forms written by hand (`tests/straightforward.py`; three paired rounds under load): growing
trains 3.1 times as fast as `torch.compile` of a channels-last step, 5.0 times in bfloat16; GLOM's
nets of two layers 4.8 times as fast as the notebook's of three by rolls and concatenations, 7.5
times in bfloat16; the notebook's very nets (`seed_glom`, summed in its order so that published
states come out) 1.25 times, 1.8 times in bfloat16 (10 steps, two rounds).

Beside CAX 0.4.4 on JAX 0.12.0 and flax 0.12.12, and by hand in torch 2.14.1 with `torch.compile` of
the step (`tests/beside_cax.py 2`; one core of a loaded AMD EPYC, one thread, float32, processor
time, the least of two rounds in one run; CAX has no noise, and its growing grid is no torus for
its alive mask):

    ms                        growing_72        texture_128   self_classifying_28
                      forward  training  forward  training    forward  training
    CAX                   576    23,354      337    11,844        175    14,705
    CAX, remat            629    26,292      393    12,033        193    14,285
    compiled by hand      363     1,046      223       613        375       753
    plain step            304       870      199       544        268       629
    nca                   112       240      117       324         46        94

What is chosen on a CPU, beside the other ways (`tests/choice_time.py`; one thread of a loaded AMD
EPYC, the least of three rounds), ms of a training iteration:

    self_classifying_28              dense  lists  tiles  chosen
      float32, 16 % alive              661    104     80      79
      bfloat16, 16 % alive             397     99     72      73
      float32, 28 % alive              678    155    131     128
    growing_72, float32, 28 % alive    935    245    244     242
      bfloat16, 28 % alive             483    197    247     196

Memory modes, one thread of a shared two-core CPU, one run, batch 8, 32 to 48 steps:

    nca plan growing --measure

    mode       every  peak MB  measured MB  s/iteration  measured s  fits  auto
    store                 133          133       0.3264      0.3885  yes   takes it
    recompute              33           33       0.5118      0.5666  yes
    segments   7           14           14       0.6514      0.7104  yes

Batches in parts (`[train] parts`): the first lines of `glom_mnist` and
`self_classifying_mnist_small`; rollouts of 1,000 steps: those of `growing_lizard`.

Compiled steps (`[train] compile = "auto"`), one iteration on one thread of a two-core CPU, compiled
and plain: `texture` 0.214 and 0.284 s, taken; `glom_parts` 0.877 and 0.872 s, `glom_fashion` 0.156
and 0.107 s, `glom_mnist_long` 0.414 and 0.226 s, left. Growing lizards are never compiled so: their
steps spare dead cells, which is worth more.

Several processes on two CPU cores (`glom_mnist`, 80 iterations, medians, one run each): one process
with one thread trains 261 images/s, two processes 329, and one process with two threads 342.

Threads beside other processes (`glom_mnist` in float32, batch 64, two CPU cores, images a second,
means of two turns of 4 s in one run):

                                       alone  one busy process  two
    one thread                           722               652  407
    two threads in each operation        801               264  240
    two half batches on two threads      798               586  322

A run takes the better of the first two by the clock, and looks again when its throughput changes.
Half batches on threads lose least of all where two threads are kept, and win nowhere.

Pages (`nca export growing --to html`): 94 kB; the greatest difference from torch after 20 random
steps was 1.2e-6 for `growing` (numbers up to 7.3) and 3.7e-4 for `glom_mnist` (numbers up to
1,700), in software WebGL2. With `--engine onnx`, on one core, `growing` takes 34 ms a step and
`glom_parts` 37 ms, 7.6e-6 from torch after 20 steps (numbers up to 35).

Reports: `nca examine growing --quick` asks eleven questions; in full, under eight random seeds,
`nca examine growing_butterfly` answers 88 questions in 5 min 49 s on one core.
"""

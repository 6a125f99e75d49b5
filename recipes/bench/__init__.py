"""What was measured of speed, memory and exports; beside it lie the cases of `nca bench`.

Unless another clock is named: one thread of a two-core CPU, processor time, since the machine had
other work; medians of up to five rounds in which the ways take turns, quartiles within 5 % of them.
Training is a rollout, its loss, gradient and optimiser.

    nca bench --way engine --processor-time           (AMD EPYC with AVX2, float32, 90 GFLOP/s)

    ms and MB                        forward         training        memory    share of ceiling
                                  plain  engine    plain  engine  plain engine         training
    growing 72x72, batch 8,         325     117    1,037     256    623    141             145 %
      16 steps, 28 % alive
    self-classifying 28x28,         301      52      686     109    299     59             336 %
      batch 16, 20 steps, 25 %
    texture 128x128, batch 2,       207     135      586     387    426     62              54 %
      16 steps, no alive mask
    GLOM at the notebook's size,    405     341    1,051     973    437    388              25 %
      batch 60, 10 steps
    GLOM large, batch 16,           816     907    2,508   2,424  1,052  1,028              56 %
      20 steps

`plain` is the whole grid, every rule its own convolution, eager, float32; memory is what training
adds at its highest, as the operating system reports it. Shares above 100 % are of cells that are
spared. On a processor that multiplies bfloat16, `--way bfloat16` was 2.0 times as fast as plain for
GLOM at the notebook's size, and 1.7 times for GLOM large.

Why GLOM at the notebook's size is no faster: eight nets of 10 channels and 10 units make products
of inner size 10 and 90. Of an iteration's time (one profile, `torch.profiler`) convolutions take 17
% backward and 13 forward, other products 22, copies of channels next to each other 15, the relu's
gradient 9, sums of what rules propose 8, and torus margins 7. All products together, half of the
time, run at half of the ceiling, and nothing else has more than a sixth; twice the speed would ask
for all but the products to cost nothing. In tiles it takes 2.7 times as long.

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

Beside the parts of NCAtorch (files of its repository of 043e012, 08f3c85 and 39a3ced), torch 2.14.1
(`tests/beside_ncatorch.py CHECKOUT 3`; one thread of a loaded AMD EPYC, float32, processor
time, the least of three rounds in one run; NCAtorch perceives by four stencils, and so do the rows
of `growing_72` here; its relu is leaky, which costs nothing):

    ms                        growing_72        texture_128   self_classifying_28
                      forward  training  forward  training    forward  training
    NCAtorch              522     1,461      323       948        332       975
    plain step            427     1,321      251       716        358       949
    nca                   176       315      167       578         85       176

What is chosen on a CPU, beside the other ways (`tests/choice_time.py`; one thread of an AMD EPYC,
the least of three or four rounds), ms of a training iteration:

    with AVX2 alone, float32         dense  lists  tiles  chosen
      texture_128                      692    635    434     413
      growing_72 without alive mask  1,112    990    542     567
      growing_72, 28 % alive         1,126    297    294     280
      self_classifying_28, 16 %        811    122     89      88
      self_classifying_28, 28 %        798    169    140     128
    with bfloat16
      self_classifying_28, 16 %        397     99     72      73
      growing_72, 28 % alive           483    197    247     196

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

Memory of each process at its peak, without the files of libraries, a thread each, on two cores of
an AMD EPYC (Zen 3, AVX2), one run of three iterations each; what is held in common counts once:

    MB in each of so many processes                              one       two        four
      growing, pool of 4,096, batch 32                           754  572, 590  488 to 509
      self_classifying_mnist_small, pool of 4,096, batch 64    1,030  767, 783  611 to 665

Of these, about 410 and 520 MB are in any process, however many there are; the rest is shared out.

Threads beside other processes (`tests/threads_time.py`: training of `glom_mnist` in float32, batch
64, two cores of an AMD EPYC with AVX2, samples a second, one run with small other work beside it):

                                alone  one busy process  two
    one thread                    411               382  205
    two threads                   325               181  120
    two threads, spinning         437               111    8

Threads spin where they wait for each other unless `nca` sets the process up, as its commands do:
the last row is what was before. A run takes the better of the first two by the clock, and looks
again when its throughput changes. Two half batches on two threads were tried: 798 samples a second
alone, 586 and 322 beside others, where one thread had 722, 652 and 407; they win nowhere.

Pages (`nca export growing --to html`): 94 kB; the greatest difference from torch after 20 random
steps was 1.2e-6 for `growing` (numbers up to 7.3) and 3.7e-4 for `glom_mnist` (numbers up to
1,700), in software WebGL2. With `--engine onnx`, on one core, `growing` takes 34 ms a step and
`glom_parts` 37 ms, 7.6e-6 from torch after 20 steps (numbers up to 35).

Reports: `nca examine growing --quick` asks eleven questions; in full, under eight random seeds,
`nca examine growing_butterfly` answers 88 questions in 5 min 49 s on one core.
"""

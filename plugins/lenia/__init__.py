"""Lenia, Flow Lenia, SmoothLife: automata of numbers from 0 to 1 that look far around.

    nca play lenia                     Orbium, the glider of Lenia
    nca run lenia_faster               the same, made faster by gradient
    nca play flow_lenia                matter that is never made or lost
    nca play lenia_3d                  a sponge of three axes
    nca play smooth_life               Life of discs and rings

A kernel with its growth function is a table of a recipe; the papers' letters are R `radius`, beta
`rings`, mu `mean`, sigma `deviation`, h `weight`, c0 `source`, c1 `target`, T `resolution`:

    [[levels.rules]]
    name = "lenia"
    resolution = 10.0
    kernels = [
        { radius = 13, rings = [1.0, 0.5], mean = 0.2, deviation = 0.03, source = 0, target = 1 },
        { radius = 9, core = "polynomial", growth = "polynomial", source = 1, target = 0 },
    ]

`core` is the shape of a ring, and `growth` that of growth: `exponential`, `polynomial`, `step`, and
for rings `gaussian`, which is taken unless another is named, and under which Orbium has its
published speed. With `learned = true` means, deviations and heights of rings are weights. The task
`travel` makes a pattern faster by gradient, and starts it in an empty grid.

Surroundings are weighed by `view.convolve`: directly, or by Fourier transforms where these are
faster. On one core of an AMD EPYC, one channel, R 13, a step of `lenia` takes, in milliseconds of
processor time:

    cells                    256 x 256    512 x 512    1,024 x 1,024
    lenia, float32                 0.8          2.6               11
    NumPy's FFT, float64           0.6          2.8               18
    cell by cell, float32           13

- `kernels`: `LeniaKernel`, a kernel with its growth function.
- `growth`: the growth of all channels.
- `lenia`, `flow`, `smooth_life`: the rules `lenia`, `flow_lenia` and `smooth_life`.
- `patterns`: the patterns `orbium`, and `spot` for the rule `gray_scott`.
- `travel`: the task `travel`.
"""

"""Segmentation: every cell says what its pixels show, and asks its neighbours where it is unsure.

    nca run segmentation                                           blobs that the task draws itself
    nca run segmentation --set task.images=my/images --set task.masks=my/masks
    nca predict segmentation my/pictures                           masks of one's own pictures
    nca predict segmentation --samples 50                          does it know where it is wrong?
    nca evaluate segmentation --set grid.size=[64,64]              on pictures of twice the sides
    nca play segmentation                                          `input` takes one's own picture

Pictures and masks lie in two folders, under the same names (`task.suffix` is what a mask's name has
more), or in one, `cell7.jpg` beside `cell7_mask.png`. The pixels of masks are class numbers (of 8,
16 or 32 bits, or places in a palette of colours), or as many different colours or numbers as there
are classes, the darkest or least the first; of two classes, what is brighter than the middle is the
second, and in masks that number their objects all but 0, which is said. Transparent pixels are
unknown and count nowhere. More classes than two: `--set task.classes=["ground","tree","car"]`.
Colours: an `image` level of `3 patch ** 2` channels. Pictures may have any sizes, and are held in
memory with 8 bits, large ones shrunk to `task.side` pixels, with their masks, if that is given;
`task.held_out` and `task.test` say which share of them is set aside. To learn from, each gives a
window of the grid's size at a random place, changed with its mask by `task.augment`. A checkpoint
does not carry the pictures: beside its run it finds them, elsewhere name them again.

A trained automaton runs on a grid of any size. `nca predict` makes each picture one grid, and
`nca evaluate RUN --set task.whole=true` each picture of the folder; otherwise they are cut into
windows in which every pixel counts once. A whole picture is in memory, with all that its cells
hold: the process had 2.6 GB at most for 2,048 x 2,048 pixels and the recipe's levels. `--side 1024`
of `nca predict` shrinks what is longer first, best to the `task.side` that was learnt from. `nca
play` does not show test pictures of other sizes than its grid: leave `whole` out of the recipe.

Dice and IoU are means over the classes of each picture. `nca predict` runs several times with other
fire masks: the spread is the standard deviation, over the rollouts, of the chance of the class that
a pixel is given. It is written as a picture (white: 0.5), and, where masks are known, judged: its
correlation with the error, and which share of the surer half is wrong.

Measured (the recipe, one run, random seed 0, one thread of a loaded two-core CPU, 9 minutes; Dice
on 200 drawn pictures of 64 x 64 pixels, 50 of 128 x 128 and 20 of 256 x 256, untrained sizes both):

    steps    64 x 64    128 x 128    256 x 256
    16       0.968      0.968        0.969
    32       0.970      0.971        0.971
    64       0.968      0.969        0.970

Eight rollouts of 16 steps on the 200 pictures: the spread of a pixel correlates with its error by
0.42 on average (0.24 to 0.68), and of the surer half of the pixels 0.01 % are wrong, of all 2.4 %;
the mean spread of a picture correlates with its share of wrong pixels by 0.68.

A U-Net of as many multiplications for a picture (255 million; 265,130 parameters, the automaton has
15,872), trained on the same drawn pictures with the same loss, batches and iterations, is better:
Dice 0.974, 0.974 and 0.975 at the three sizes; after a third of the iterations 0.965, 0.966 and
0.966 (`tests/beside_unet.py`, one run each). Neither loses anything on larger pictures.

`drawing` draws pictures, `files` reads them, `sources` cuts them, `measures` judges masks,
`uncertainty` what several rollouts say, `task` puts them together.
"""

"""Data sets: pictures of your own, arrays, what torchvision fetches, and verified files.

    nca data list                               names, classes, and where they lie
    nca data fetch fashion_mnist                fetches and verifies it
    nca data fetch torchvision --set set=KMNIST
    nca data check                              hashes every file
    nca plugins folder                          the options of a data set, as of any plugin

A recipe names a data set by its name, or by a table of its name and options:

    dataset = { name = "folder", path = "photos", size = [28, 28], mode = "colour" }

- `folder`: one folder of pictures for each class, of any size and mode; 10 comes after 9. Folders
  `train` and `test` with the classes in them say which are for the test, else a fifth of each class
  is kept for it (`test_share`), the same one every time. `fit` pads, crops or stretches a picture
  of another form; `invert = true` is for ink on white paper, since cells look at what is bright.
  What is no picture is left out and named. The pictures are read once and kept as one file under
  `prepared/` in the data folder, whose name follows from every byte; it may be deleted.
- `arrays`: `path`, an `.npz` with `images` and `labels` (or `train_images`, `train_labels`,
  `test_images`, `test_labels`; or `x_train`, `y_train`, `x_test`, `y_test`), or two `.npy` as
  `images` and `labels`: `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`, uint8 or from 0 to 1; labels
  are numbers from 0, or words. Nothing is unpickled.
- `torchvision`: `set` is KMNIST, QMNIST, EMNIST (with `split`), SVHN, CIFAR10 or CIFAR100. Only the
  md5 of what it fetches is checked, not of files already there; of CIFAR the archive of plain bytes
  is read, not that of pickles, and its sha256 is checked at every reading (not of files unpacked).

With pictures of your own, on the command line:

    nca run self_classifying_mnist_small --set 'task.dataset={ name = "folder", path = "photos" }'
    nca evaluate runs/self_classifying_mnist_small-1
    nca export runs/self_classifying_mnist_small-1 --to html
    nca evaluate CHECKPOINT --set task.dataset.path=elsewhere

The grid has to hold the pictures, and an input level `patch ** 2` channels for each colour: three
times as many where `mode = "colour"`. `[task] normalise = "measured"` takes mean and deviation from
the images to train on. A fifth of them, at most 5,000, is held out to choose the best weights by
(`held_out`). On pages one draws as they are: in grey, or in colours.

A path is relative to the recipe, or to where it was typed; a run remembers it from the root, and no
copy of the data. It does remember the names of classes and, for `folder` and `arrays`, a
fingerprint: a checkpoint is drawn, exported and played without its data, goes on to train only with
the same, and is measured with others only where the command line names them.

Files of other sets lie in torchvision's layout, so that both share one copy; `--data FOLDER` says
where. The sha256 of the uncompressed bytes of `mnist` and `fashion_mnist` is checked at every
reading. A data set of your own is a subclass of `nca.Dataset` under `@register.dataset("name")`;
`nca help rules` says how plugins enter.
"""

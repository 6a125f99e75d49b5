"""Train a small U-Net beside `nca run segmentation`: same pictures, batches and arithmetic.

    python tests/beside_unet.py --iterations 1500

It prints Dice and IoU on the same test pictures, and on pictures whose sides are twice and four
times as long. The automaton takes 16 steps; the width of the U-Net is chosen so that both take
about as many multiplications for a picture.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca import HostRNG, Layout, Level, TaskContext
from nca_plugins.segmentation.measures import mask_rightness, pixel_cross_entropy, soft_dice
from nca_plugins.segmentation.task import Segmentation

AUTOMATON = 16 * (28 * 9 * 48 + 48 * 48 + 48 * 24) * 32 * 32
"""Multiplications of the recipe's automaton for a picture of 64x64 pixels."""


class Block(nn.Sequential):
    """Two convolutions."""

    def __init__(self, given: int, wanted: int) -> None:
        first, second = (
            nn.Conv2d(given, wanted, 3, padding=1),
            nn.Conv2d(wanted, wanted, 3, padding=1),
        )
        super().__init__(first, nn.ReLU(), second, nn.ReLU())


class UNet(nn.Module):
    """Three scales, two convolutions at each on the way down and on the way up."""

    def __init__(self, width: int, classes: int = 2) -> None:
        super().__init__()
        self.down = nn.ModuleList([Block(1, width), Block(width, 2 * width)])
        self.bottom = Block(2 * width, 4 * width)
        self.up = nn.ModuleList([Block(6 * width, 2 * width), Block(3 * width, width)])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the scores of each pixel."""
        kept, level = [], pictures
        for block in self.down:
            kept.append(block(level))
            level = F.max_pool2d(kept[-1], 2)
        level = self.bottom(level)
        for block, beside in zip(self.up, kept[::-1], strict=True):
            level = block(torch.cat([F.interpolate(level, scale_factor=2.0), beside], dim=1))
        return self.head(level)


def multiplications(net: UNet) -> int:
    """Return how many the net takes for a picture of 64x64 pixels."""
    total = 0

    def count(layer: nn.Conv2d, _: object, answer: Tensor) -> None:
        nonlocal total
        total += layer.weight.numel() * answer.shape[2] * answer.shape[3]

    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        net(torch.zeros(1, 1, 64, 64))
    for hook in hooks:
        hook.remove()
    return total


def task_of(side: int, trials: int) -> Segmentation:
    """Return the task of the recipe, for pictures of `side` pixels."""
    layout = Layout([Level("image", 4, input=True), Level("cells", 24)])
    context = TaskContext(layout, (side // 2, side // 2), Path())
    task = Segmentation(context, patch=2, overlap=0.5, noise=0.18, light=0.5, trials=trials)
    task.prepare(torch.device("cpu"))
    return task


@torch.no_grad()
def measured(net: UNet, side: int, trials: int) -> dict[str, float]:
    """Return what the net gets right on test pictures."""
    parts: dict[str, list[float]] = {}
    task = task_of(side, trials)
    for batch in task.evaluation_batches("test", 10):
        chosen = net((task.seen(batch.state) - 0.5) / 0.25).argmax(dim=1)
        for name, share in mask_rightness(chosen, batch.truth["mask"], task.classes).items():
            both = parts.setdefault(name, [0.0, 0.0])
            both[0], both[1] = both[0] + share.part.sum().item(), both[1] + share.whole.sum().item()
    return {name: part / whole for name, (part, whole) in parts.items()}


def main() -> None:
    """Train, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=1500)
    iterations = parser.parse_args().iterations
    torch.manual_seed(0)
    width = min(range(4, 64), key=lambda w: abs(multiplications(UNet(w)) - AUTOMATON))
    net = UNet(width).to(memory_format=torch.channels_last)
    task = task_of(64, 200)
    weights = sum(weight.numel() for weight in net.parameters())
    print(
        f"width {width}: {weights:,} parameters, {multiplications(net):,} multiplications",
        flush=True,
    )
    print(f"automaton: {AUTOMATON:,} multiplications", flush=True)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    warm = torch.optim.lr_scheduler.LinearLR(optimiser, 1 / 50, total_iters=50)
    cool = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, iterations - 50))
    schedule = torch.optim.lr_scheduler.SequentialLR(optimiser, [warm, cool], [50])
    begun = time.perf_counter()
    for iteration in range(iterations):
        batch = task.training_batch(HostRNG(0, iteration), iteration * 8 + torch.arange(8))
        scores = net((task.seen(batch.state) - 0.5) / 0.25)
        masks = batch.truth["mask"]
        loss = (pixel_cross_entropy(scores, masks) + 0.5 * soft_dice(scores, masks)).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if iteration % 100 == 99:
            print(
                f"{iteration + 1} {loss.item():.4f} {time.perf_counter() - begun:.0f} s", flush=True
            )
    for side, trials in ((64, 200), (128, 50), (256, 20)):
        found = measured(net, side, trials)
        print(side, {name: round(value, 4) for name, value in found.items()}, flush=True)


if __name__ == "__main__":
    main()

"""Randomness that is counted instead of stored: a pure function of where and when.

Every number depends on (random seed, stream, step, sample, channel, cell) and on nothing else.
So a rollout split in two is the same rollout, a segment computed again meets the same numbers,
and neither the device nor the order of work matters.

The mixer is lowbias32 (C. Wellons, 2018: two multiplications and three shifts, a bijection on 32
bits), applied once for each number absorbed. Tensor code uses int32, whose product wraps; host
code uses Python integers under a mask; both give the same bits. A uniform number is the upper 24
bits. A normal number is the sum of twelve independent bytes, whose variance is 65535 exactly:
integers until the last product, so that it too has the same bits everywhere. It is bounded by
6 standard deviations, and its excess kurtosis is -0.1.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nca.engine.rim import transformed
from nca.engine.window import Window

_MASK = 0xFFFFFFFF
_WEYL = 0x9E3779B9
_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B
_FACTORS = np.uint32(_FIRST), np.uint32(_SECOND)
_SHIFTS = np.uint32(16), np.uint32(15)
_UNIT = 2.0**-24
_BYTES = 0x00FF00FF

FEW_NUMBERS = 1 << 18
"""Up to so many numbers of a CPU are mixed by numpy. Measured: 5 us in place of 30 for 2,000 of
them, 0.15 ms in place of 0.25 for 240,000 on one thread, and as long on two."""


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


def mix(number: int) -> int:
    """Scramble 32 bits on the host."""
    number ^= number >> 16
    number = number * _FIRST & _MASK
    number ^= number >> 15
    number = number * _SECOND & _MASK
    return number ^ number >> 16


def mix_tensor(bits: Tensor) -> Tensor:
    """Scramble each int32 of a tensor, as `mix` does on the host."""
    return _mix_in_place(bits.clone())


def _mix_in_place(bits: Tensor) -> Tensor:
    if _suits_numpy(bits):
        _mix_array(bits.numpy().view(np.uint32))
        return bits
    bits ^= _upper(bits, 16)
    bits *= _FIRST
    bits ^= _upper(bits, 15)
    bits *= _signed(_SECOND)
    bits ^= _upper(bits, 16)
    return bits


def _suits_numpy(bits: Tensor) -> bool:
    """Return whether numpy is faster: its calls cost a sixth of torch's, on one thread."""
    few = bits.ndim > 0 and bits.numel() <= FEW_NUMBERS
    if not few or bits.device.type != "cpu" or type(bits) is not Tensor:
        return False
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return not traced and not transformed()


def _mix_array(bits: NDArray[np.uint32]) -> None:
    """Scramble numbers in place, as `mix` does."""
    upper = bits >> _SHIFTS[0]
    bits ^= upper
    bits *= _FACTORS[0]
    np.right_shift(bits, _SHIFTS[1], out=upper)
    bits ^= upper
    bits *= _FACTORS[1]
    np.right_shift(bits, _SHIFTS[0], out=upper)
    bits ^= upper


def _absorb_array(key: NDArray[np.uint32], numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Fold one more array into a key, as `absorb` does; the shapes broadcast."""
    mixed = numbers ^ key
    mixed += np.uint32(_WEYL)
    _mix_array(mixed)
    return mixed


def _upper(bits: Tensor, shift: int) -> Tensor:
    upper = bits >> shift  # which copies the sign; the mask makes the shift a logical one
    upper &= _MASK >> shift
    return upper


def absorb(key: int, number: int) -> int:
    """Fold one more number into a key, on the host."""
    return mix(((key ^ number & _MASK) + _WEYL) & _MASK)


def absorb_tensor(key: int | Tensor, numbers: Tensor) -> Tensor:
    """Fold one more int32 tensor into a key; the shapes broadcast."""
    key = _signed(key) if isinstance(key, int) else key
    mixed = numbers ^ key
    mixed += _signed(_WEYL)
    return _mix_in_place(mixed)


def number_of(stream: str) -> int:
    """Return the 32-bit number of a stream's name, which compilers take for a constant."""
    return zlib.crc32(stream.encode())


# what torch.compiler.assume_constant_result does, which would import all of torch._dynamo first
number_of._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]


def stream_key(random_seed: int, stream: str, step: int) -> int:
    """Return the 32-bit key of a random seed (any integer below 2**64), stream and step."""
    key = absorb(absorb(0, random_seed), random_seed >> 32)
    return absorb(absorb(key, number_of(stream)), step)


def key_tensor(random_seed: int, stream: str, step: int, device: torch.device) -> Tensor:
    """Return what `key_of` returns, as an int32 tensor `()` computed by tensor operations.

    For compilers, to which seed and step may be symbols: they lower symbolic `^` wrongly, and
    would compile once for each sign of a key.
    """
    key = torch.zeros((), dtype=torch.int32, device=device)
    for number in (random_seed, random_seed >> 32, number_of(stream), step):
        signed = (number & _MASK ^ 1 << 31) - (1 << 31)
        key = absorb_tensor(key, torch.full((), signed, dtype=torch.int32, device=device))
    return key


@dataclass(frozen=True)
class CellRNG:
    """All the randomness of one step of one batch.

    Attributes:
        random_seed: The run's number.
        step: The tick (or, for training, the iteration) that draws.
        samples: `(B,)`, int64: each sample's own number, whatever its place in the batch.
        cells: `(n,)`, int64: draw for these cells alone, counted on from sample to sample. What
            is drawn are the same numbers, as `(1, C, n)`.
        window: Where the cells lie in a whole grid, if they are not all of it.
    """

    random_seed: int
    step: int
    samples: Tensor
    cells: Tensor | None = None
    window: Window | None = None

    def bits(self, stream: str, channels: int, size: Sequence[int]) -> Tensor:
        """Return 32 random bits for each channel of each cell, int32 `(B, C, *space)`."""
        return self._spread(self._by_channel([stream], channels)[0], size)

    def uniform(self, stream: str, channels: int, size: Sequence[int]) -> Tensor:
        """Return numbers from 0 (included) to 1 (excluded), float32 `(B, C, *space)`."""
        return _to_unit(self.bits(stream, channels, size))

    def chance(self, stream: str, probability: float, channels: int, size: Sequence[int]) -> Tensor:
        """Return True with the given probability, bool `(B, C, *space)`; exact at 0 and 1."""
        bits = self.bits(stream, channels, size)
        return (bits >> 8 & 0xFFFFFF) < round(probability * (1 << 24))

    def normal(self, stream: str, channels: int, size: Sequence[int]) -> Tensor:
        """Return numbers of mean 0 and variance 1, float32 `(B, C, *space)`."""
        keys = self._by_channel([f"{stream}/{third}" for third in "abc"], channels)
        if self.cells is None:  # one after the other: three grids at once would take memory
            total, *others = (_pairs(self._spread(key, size)) for key in keys)
        else:
            total, *others = _pairs(self._listed(keys, size, self.cells)).unbind()
        for other in others:
            total += other
        summed = _upper(total, 16)
        summed += total & 0xFFFF
        summed -= 1530
        return summed.to(torch.float32) * (1 / math.sqrt(65535))

    def at_scale(self, scale: int) -> "CellRNG":
        """Return the randomness of cells of another scale, which are counted on their own grid."""
        return replace(self, window=self.window.at_scale(scale)) if self.window else self

    def each(self, stream: str, count: int = 1) -> Tensor:
        """Return `count` uniform numbers for each sample, float32 `(B, count)`."""
        return replace(self, window=None).uniform(stream, count, (1,)).squeeze(-1)

    def _by_channel(self, streams: Sequence[str], channels: int) -> Tensor:
        """Return the keys of every channel of every sample, int32 `(streams, B, C)`."""
        device, compiles = self.samples.device, torch.compiler.is_compiling()
        number = partial(key_tensor, device=device) if compiles else stream_key
        keys = [number(self.random_seed, stream, self.step) for stream in streams]
        if _suits_numpy(self.samples):
            column = np.array(keys, dtype=np.uint32)[:, None]
            of_samples = _absorb_array(column, self.samples.numpy().astype(np.uint32))
            channel = np.arange(channels, dtype=np.uint32)
            by_channel = _absorb_array(of_samples[..., None], channel)
            return torch.from_numpy(by_channel.view(np.int32))
        # a key that travels as a number of a launch need not be awaited
        samples = self.samples.to(torch.int32)
        by_sample = torch.stack([absorb_tensor(key, samples) for key in keys])
        channel = torch.arange(channels, dtype=torch.int32, device=device)
        return absorb_tensor(by_sample.unsqueeze(-1), channel)

    def _spread(self, by_channel: Tensor, size: Sequence[int]) -> Tensor:
        """Return the bits of every cell, or of the listed ones, from the `(B, C)` keys."""
        if self.cells is not None:
            return self._listed(by_channel, size, self.cells)
        by_channel = by_channel.view(-1, *(1,) * len(size), by_channel.shape[-1])
        # a cell's channels side by side, as the automaton lays out its states
        return absorb_tensor(by_channel, self._numbers(size).unsqueeze(-1)).movedim(-1, 1)

    def _listed(self, by_channel: Tensor, size: Sequence[int], cells: Tensor) -> Tensor:
        """Return the bits of listed cells, `(..., 1, C, n)`, from the `(..., B, C)` keys."""
        area = math.prod(size)
        sample = cells.div(area, rounding_mode="floor")
        cell = (cells - sample * area).to(torch.int32)
        if self.window is not None:
            cell = self._numbers(size).flatten()[cell]
        by_cell = by_channel.index_select(-2, sample)
        return absorb_tensor(by_cell, cell.unsqueeze(-1)).mT.unsqueeze(-3)

    def _numbers(self, size: Sequence[int]) -> Tensor:
        """Return the number of each cell in the whole grid, int32 `size`."""
        if self.window is not None:
            return self.window.numbers(tuple(size), self.samples)
        device = self.samples.device
        return torch.arange(math.prod(size), dtype=torch.int32, device=device).view(*size)


@dataclass(frozen=True)
class HostRNG:
    """The host's own randomness in one iteration: how many steps, which samples, which order.

    Attributes:
        random_seed: The run's number.
        iteration: Of training.
        samples: The numbers of the samples that are drawn for, if the host knows them.
    """

    random_seed: int
    iteration: int
    samples: range | None = field(default=None, compare=False)

    def host_samples(self, samples: Tensor) -> Tensor:
        """Return the sample numbers of a batch on the host, int64 `(B,)`.

        Where the host knows them anyway, as in training, a device is not asked, for which the host
        would have to wait.
        """
        if samples.device.type == "cpu" or self.samples is None:
            return samples.cpu()
        return torch.arange(self.samples.start, self.samples.stop)

    def integer(self, stream: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        bits = mix(stream_key(self.random_seed, stream, self.iteration))
        return low + (bits * (high - low + 1) >> 32)

    def order(self, stream: str, count: int) -> Tensor:
        """Return the numbers below `count` in random order, int64 `(count,)`, on the host."""
        key = stream_key(self.random_seed, stream, self.iteration)
        numbers = torch.arange(count, dtype=torch.int32, device="cpu")
        return absorb_tensor(key, numbers).argsort(stable=True)

    def cells(self, samples: Tensor) -> CellRNG:
        """Return the randomness of these samples in this iteration."""
        return CellRNG(self.random_seed, self.iteration, samples)


def _pairs(bits: Tensor) -> Tensor:
    """Return the sums of two bytes each, in the lower and in the upper half of each number."""
    higher = bits >> 8
    higher &= _BYTES
    bits &= _BYTES
    bits += higher
    return bits


def _to_unit(bits: Tensor) -> Tensor:
    return (bits >> 8 & 0xFFFFFF).to(torch.float32) * _UNIT

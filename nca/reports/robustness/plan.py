"""The plan of a report on robustness: random seeds, samples and steps."""

from dataclasses import dataclass, replace

from nca.types import Split


@dataclass(frozen=True)
class RobustnessPlan:
    """The numbers that the report depends on.

    Attributes:
        steps: The steps that the automaton was trained for; what is asked is measured there
            unless the check says otherwise.
        seeds: How many random seeds.
        samples: Per random seed, at most.
        split: Of which data.
        long_steps: Steps of the long run.
        long_samples: Samples of the long run per random seed, at most.
    """

    steps: int
    seeds: int = 8
    samples: int = 64
    split: Split = "test"
    long_steps: int = 10_000
    long_samples: int = 4

    def quick(self) -> "RobustnessPlan":
        """Return a plan of at most three random seeds, 16 samples, and one on the long run."""
        return replace(
            self,
            seeds=min(self.seeds, 3),
            samples=min(self.samples, 16),
            long_samples=min(self.long_samples, 1),
        )

    def less_than(self, other: "RobustnessPlan") -> list[str]:
        """Return in words what this plan has cut of another."""
        words = {
            "seeds": "random seeds",
            "samples": "samples per random seed",
            "long_samples": "samples of the long run",
            "long_steps": "steps of the long run",
        }
        return [
            f"{text}: {getattr(self, name):,} instead of {getattr(other, name):,}"
            for name, text in words.items()
            if getattr(self, name) < getattr(other, name)
        ]

"""The kinds of simulated schedulers, by the names that `SimulatedCluster` takes."""

from __future__ import annotations

from importlib import import_module

from psij_like.testing.personality import Personality

# A new personality is a module, and a line here.
KINDS: dict[str, str] = {
    "cobalt": "psij_like.testing.cobalt:CobaltPersonality",
    "flux": "psij_like.testing.flux:FluxPersonality",
    "lsf": "psij_like.testing.lsf:LsfPersonality",
    "pbs": "psij_like.testing.pbs.pro:PbsPersonality",
    "pbs_classic": "psij_like.testing.pbs_classic.torque:PbsClassicPersonality",
    "slurm": "psij_like.testing.slurm:SlurmPersonality",
}
ALIASES: dict[str, str] = {"pbspro": "pbs", "torque": "pbs_classic"}
"""Further names, as the executors have them."""


def personality_class(kind: str) -> type[Personality]:
    """The class of a personality. ValueError: there is none of that name."""
    if kind not in KINDS and kind not in ALIASES:
        raise ValueError(f"there is no simulated {kind!r}; there are {', '.join(sorted({*KINDS, *ALIASES}))}")
    module, _, name = KINDS[ALIASES.get(kind, kind)].partition(":")
    found: type[Personality] = getattr(import_module(module), name)
    return found

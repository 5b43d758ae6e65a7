"""The provider itself, called as Parsl calls it. Arguments: a launcher of Parsl's or ours, and how many nodes."""

import sys
from pathlib import Path

import parsl.launchers
from parsl.providers.errors import SubmitException
from parsl_runs import tell, until

from psij_like.integrations.parsl import PsijLauncher, PsijProvider


def provider(**settings):
    """One whose blocks tell in files of this directory."""
    made = PsijProvider(**settings)
    made.script_dir = str(Path.cwd())
    return made


def end(asked, native_id):
    """The status of a block that has ended."""
    until(lambda: asked.status([native_id])[0].terminal)
    return asked.status([native_id])[0]


launcher, nodes = sys.argv[1], int(sys.argv[2])
made = getattr(parsl.launchers, launcher)() if hasattr(parsl.launchers, launcher) else PsijLauncher(launcher)
several = provider(launcher=made, nodes_per_block=nodes, worker_init="FROM=here; export FROM")
said = end(several, several.submit("echo worker $FROM; echo wrong >&2", 2 // nodes, "several"))

large = provider(cores_per_node=2, mem_per_node=0.25)
size = end(large, large.submit("echo $PARSL_CORES $PARSL_MEMORY_GB $SLURM_CPUS_ON_NODE $SLURM_MEM_PER_NODE; exit 3", 1))

blocks = provider(max_blocks=6)
native_ids = [blocks.submit("sleep 300", 1, f"block-{number}") for number in range(6)]
until(lambda: {status.state.name for status in blocks.status(native_ids[:3])} == {"RUNNING"})
asked = sum(len(blocks.status(native_ids)) for _ in range(100))
cancelled = blocks.cancel([*native_ids, "no-such-id"])
ends = {end(blocks, native_id).state.name for native_id in native_ids}

held = provider(custom_attributes={"slurm.hold": True})
if held.label == "slurm":
    waiting = held.submit("true", 1)
    until(lambda: held.status([waiting])[0].state.name == "HELD")
    held.cancel([waiting])

try:
    provider(custom_attributes={"slurm.no_such_option": 1}).submit("true", 1)
    refused = ""
except SubmitException as error:
    refused = str(error)

tell(
    {
        "label": several.label,
        "stdout": said.stdout,
        "stderr": said.stderr,
        "size": (size.state.name, size.exit_code, size.stdout.split()),
        "asked": asked,
        "cancelled": cancelled,
        "ends": sorted(ends),
        "unknown": blocks.status(["no-such-id"])[0].state.name,
        "nothing": (blocks.status([]), blocks.cancel([])),
        "refused": refused,
    }
)

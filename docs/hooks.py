"""Pages of the documentation site that are made when it is built: one for each scheduler."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import scheduler_table

from psij_like.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the schedulers' pages into the navigation."""
    pages = ["schedulers.md", *(f"scheduler/{name}.md" for name in scheduler_table.EXECUTORS)]
    for section in config.nav or ():
        if "Schedulers" in section:
            section["Schedulers"] = pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name in scheduler_table.EXECUTORS:
        files.append(File.generated(config, f"scheduler/{name}.md", content=scheduler_page(name)))
    return files


def scheduler_page(name: str) -> str:
    """What a user of one scheduler wants to know, from its executor's code."""
    executor = scheduler_table.executor(name)
    can = executor.capabilities
    told, _, rest = inspect.cleandoc(inspect.getmodule(type(executor)).__doc__ or "").partition("\n")
    facts = [
        ("`JobExecutor.get_instance(...)`", ", ".join(f'`"{one}"`' for one in (name, *can.aliases))),
        ("dependencies", ", ".join(f"`{kind}`" for kind in can.dependencies) or "none"),
        ("hold and release", "yes" if can.hold else "no"),
        ("`submit_bulk` makes arrays", "yes" if can.arrays else "no"),
        ("refused", ", ".join(f"`{field}`" for field in can.refused) or "nothing"),
    ]
    if isinstance(executor, BatchSchedulerExecutor):
        backend = executor._backend
        facts.insert(1, ("commands it needs", ", ".join(f"`{one}`" for one in backend.commands)))
        facts.insert(2, ("where they come from", backend.install_hint))
        facts.append(("a native id", f"`{backend.id_example}`"))
    table = "\n".join(f"| {what} | {value} |" for what, value in facts)
    return (
        f"# {name}\n\n{told}\n{rest}\n\n## At a glance\n\n| | |\n|---|---|\n{table}\n\n## What each field becomes\n\n"
        f"`—`: nothing is told, because it is so anyway, or the job's body or launcher sees to it.\n\n"
        f"{scheduler_table.text([name])}\n"
    )

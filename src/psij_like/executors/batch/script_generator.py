"""For plug-ins in the style of the PSI/J tutorial: a script from a template file of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

from psij_like.job import Job
from psij_like.job_executor import JobExecutorConfig

if TYPE_CHECKING:
    from pystache.parsed import ParsedTemplate


class TemplatedScriptGenerator:
    """Renders a mustache template.

    Values are escaped for use inside double quotes, as in `#PBS -q "{{queue_name}}"`.

    Args:
        config: the executor's configuration.
        template_path: the template.

    Raises:
        OSError: the template can not be read.
    """

    def __init__(self, config: JobExecutorConfig | None, template_path: Path, escape: object = None) -> None:
        import pystache  # noqa: PLC0415 - slow to import

        self.config = config
        self._template: ParsedTemplate = pystache.parse(template_path.read_text(encoding="utf-8"))
        self._renderer = pystache.Renderer(escape=escape if callable(escape) else _escape)

    def generate_submit_script(self, job: Job, context: dict[str, object], out: IO[str]) -> None:
        """Write the script for a job."""
        out.write(self._renderer.render(self._template, context, {"job": job}))


def _escape(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", str(text))

"""LSF's resource requirements (`bsub -R`): a user's own, with generated sections added."""

from __future__ import annotations

import re
from collections.abc import Mapping


def with_sections(own: object, generated: Mapping[str, str]) -> list[str]:
    """The requirements to ask for.

    Args:
        own: the user's: a requirement, or several; None or False if nothing is to be required.
        generated: what is in the generated sections, by their names. A resource in `rusage` joins the user's others.
    """
    if own is None or own is False:
        return []
    texts = [str(one) for one in (own if isinstance(own, list | tuple) else [own]) if one]
    if any("{" in text for text in texts):  # alternatives, each of which has sections of its own
        return texts
    added = []
    for name, content in generated.items():
        section = re.compile(rf"\b{name}\s*\[([^\]]*)\]")
        place = next((number for number, text in enumerate(texts) if section.search(text)), None)
        if place is None:
            added.append(f"{name}[{content}]")
        elif name == "rusage" and not _names(texts, section, content.partition("=")[0]):
            texts[place] = re.sub(r"\brusage\s*\[", f"rusage[{content},", texts[place], count=1)
    # In one where the user gives one, for volclava takes no second -R.
    return [*texts[:-1], " ".join([*texts[-1:], *added])]


def _names(texts: list[str], section: re.Pattern[str], resource: str) -> bool:
    contents = " ".join(content for text in texts for content in section.findall(text))
    return re.search(rf"\b{resource}\s*=", contents) is not None

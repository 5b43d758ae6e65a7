"""How values are shown: text that came from elsewhere, times, durations."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone

from markupsafe import Markup

_KEPT = "\t\n\r"
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # characters that control, and show nothing


class _Shown(dict[int, str]):
    """What each character is shown as: worked out when it first comes."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _KEPT or unicodedata.category(character) not in _INVISIBLE:
            shown = character
        elif character < " ":
            shown = chr(0x2400 + code)  # the picture of it
        else:
            shown = f"[U+{code:04X}]"
        self[code] = shown
        return shown


_SHOWN = _Shown()


def visible(value: object) -> object:
    """Text with its control characters made visible: none of them is to act on a terminal, a feed or a line of text."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return value.translate(_SHOWN)


def iso(seconds: float) -> str:
    """A time as RFC 3339 has it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def when(seconds: float) -> Markup:
    """A time of UTC, to the minute."""
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}">{}</time>').format(iso(seconds), text)


def duration(seconds: float) -> str:
    """A duration, as exact as one cares for."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def shortened(text: str, start: int, end: int) -> str:
    """The text, or its start and its end where it is longer than both."""
    left_out = len(text) - start - end
    return text if left_out <= 0 else f"{text[:start]}\n[... {left_out} characters left out ...]\n{text[-end:]}"

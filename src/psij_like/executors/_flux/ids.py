"""The forms of Flux's job ids (RFC 19): 64 bits, written in many ways; here `f` and base 58, which is ASCII."""

from __future__ import annotations

import re

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LIMIT = 2**64
FORM = f"f[{_DIGITS}]{{1,11}}"
"""What an id looks like here (a regular expression)."""


def form(number: int) -> str:
    """The id of that number."""
    digits = ""
    while number:
        number, value = divmod(number, 58)
        digits = _DIGITS[value] + digits
    return f"f{digits or _DIGITS[0]}"


def number_of(text: str) -> int:
    """The number of an id in decimal, hexadecimal (`0x...`), dotted hexadecimal or base 58 (`f...` or `ƒ...`).

    Raises:
        ValueError: it is none of these; Flux's words and emoji are not known here.
    """
    text = text.strip()
    if re.fullmatch(f"[fƒ][{_DIGITS}]{{1,11}}", text):
        number = 0
        for digit in text[1:]:
            number = number * 58 + _VALUES[digit]
    elif re.fullmatch("[0-9]{1,20}", text):
        number = int(text)
    elif match := re.fullmatch(r"0x([0-9a-fA-F]{1,16})|(?:job\.)?((?:[0-9a-fA-F]{4}\.){3}[0-9a-fA-F]{4})", text):
        number = int(match[1] or match[2].replace(".", ""), 16)
    else:
        raise ValueError(f"{text!r} is not the id of a Flux job")
    if number >= _LIMIT:
        raise ValueError(f"{text!r} is not the id of a Flux job: it has more than 64 bits")
    return number


def normalised(text: str) -> str:
    """The same id in base 58 and ASCII; ValueError as for `number_of`."""
    return form(number_of(text))

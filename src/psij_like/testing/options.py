"""Command lines as GNU getopt_long(3) reads them, which most schedulers' commands use; with its complaints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class OptionError(Exception):
    """A command line that getopt refuses; the text is getopt's, without the command's name."""


@dataclass(frozen=True)
class Option:
    """An option: `long` is its name everywhere below; `takes`: "no", "yes" or "maybe" a value."""

    long: str
    short: str = ""
    takes: str = "yes"


class Options:
    """The options that a command knows."""

    def __init__(self, options: Iterable[Option]) -> None:
        self._long = {option.long: option for option in options}
        self._short = {option.short: option for option in self._long.values() if option.short}

    def parse(self, words: Sequence[str], *, mixed: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
        """Split a command line.

        Args:
            words: without the command's name.
            mixed: whether options may follow operands.

        Returns:
            The options as (long name, value) in their order ("" for no value), and the operands.

        Raises:
            OptionError: an unknown or ambiguous option, a missing value, or one too many.
        """
        found: list[tuple[str, str]] = []
        operands: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                found.append(self._long_option(word, rest))
            elif word.startswith("-") and word != "-":
                found += self._short_options(word[1:], rest)
            else:
                operands.append(word)
                if not mixed:
                    break
        return found, operands + rest

    def _long_option(self, word: str, rest: list[str]) -> tuple[str, str]:
        name, equals, value = word[2:].partition("=")
        option = self._named(name, word)
        if option.takes == "no" and equals:
            raise OptionError(f"option '--{option.long}' doesn't allow an argument")
        if option.takes == "yes" and not equals:
            if not rest:
                raise OptionError(f"option '--{option.long}' requires an argument")
            value = rest.pop(0)
        return option.long, value

    def _named(self, name: str, word: str) -> Option:
        if name in self._long:
            return self._long[name]
        candidates = [long for long in self._long if long.startswith(name)]
        if not candidates:
            raise OptionError(f"unrecognized option '{word}'")
        if len(candidates) > 1:
            possible = " ".join(f"'--{long}'" for long in candidates)
            raise OptionError(f"option '{word}' is ambiguous; possibilities: {possible}")
        return self._long[candidates[0]]

    def _short_options(self, letters: str, rest: list[str]) -> list[tuple[str, str]]:
        found = []
        while letters:
            letter, letters = letters[0], letters[1:]
            option = self._short.get(letter)
            if option is None:
                raise OptionError(f"invalid option -- '{letter}'")
            value = ""
            if option.takes == "yes" and not letters and not rest:
                raise OptionError(f"option requires an argument -- '{letter}'")
            if option.takes == "yes":
                value, letters = letters or rest.pop(0), ""
            elif option.takes == "maybe":
                value, letters = letters, ""
            found.append((option.long, value))
        return found

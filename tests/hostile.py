"""Values that are no harm to anybody, for every field of a job."""

from __future__ import annotations

import os
import re

from hypothesis import strategies as st

NASTY = (
    *("", " ", "  a  b  ", "\t", "\n", "a\nb\n", "\r\n", "'", '"', "''", "'\\''", '"$x"', "\\", "\\\\", "\\n", "a\\"),
    *(
        "$",
        "$$",
        "$HOME",
        "$(id)",
        "`id`",
        "${",
        "}",
        "$(",
        "$'x'",
        "${HOME:-x}",
        "~",
        "~/x",
        "~root",
        "*",
        "?",
        "[a-z]*",
    ),
    *(
        "-",
        "--",
        "-n",
        "--help",
        "-rf",
        "-e",
        ";",
        "; id",
        "&",
        "&&",
        "|",
        "||",
        "<",
        ">",
        ">x",
        "2>&1",
        "#",
        "# x",
        "!",
    ),
    *(
        "!!",
        "%",
        "%s",
        "%j",
        "%%",
        "{a,b}",
        "(",
        ")",
        "=",
        "a=b",
        ":",
        ",",
        "^",
        "{{x}}",
        "{{{x}}}",
        "{{> body}}",
        "&amp;",
    ),
    *(
        "é",
        "日本語",
        "\U0001f600",
        "\u202e",
        "\ufeff",
        "e\u0301",
        "\x01",
        "\x1b[31m",
        "\x7f",
        "\udcff\udc80",
        "\udce9t\udce9",
    ),
    *("#SBATCH --hold", "\n#SBATCH --hold\n", "EOF", "\nEOF\n", "done", "exit 1", "\nexit 1\n", "x" * 1000),
)
"""Each of them on its own; hypothesis makes up others and joins them."""

BYTES = st.text(
    st.one_of(
        st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]),
        st.sampled_from("\n \t'\"\\$`~*?[]{}()<>|&;#!%=-\udc80\udcff"),
    ),
    max_size=40,
)
VALUES = st.lists(st.one_of(st.sampled_from(NASTY), BYTES), max_size=3).map("".join)
REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def _is_name(text: str) -> bool:
    return text not in ("", ".", "..") and "/" not in text and len(os.fsencode(text)) < 200


# What can be in a line of a script: names, comments.
LINES = VALUES.map(lambda text: re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", "", text)).filter(bool)
NAMES = VALUES.filter(_is_name)


def literal(value: str) -> str:
    """An environment value that means this text and refers to nothing."""
    return REFERENCE.sub(lambda match: "$" + match[0], value)

"""Whatever is quoted arrives byte for byte: judged by real shells, many values in one process."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from psij_like._engine.quote import (
    directive_value,
    expand_references,
    shell_array,
    shell_assignment,
    shell_word,
)

SHELLS = ["bash", "sh"]
HOSTILE = [
    "",
    " ",
    "'",
    '"',
    "\\",
    "$HOME",
    "${HOME}",
    "$$",
    "$(echo no)",
    "`echo no`",
    "*",
    "[a-z]?",
    "~",
    "~/x",
    "a=~/x:~root",
    "-n",
    "--",
    "!x",
    "#x",
    "a b",
    "a\tb",
    "a\nb",
    "\n",
    "a\r\nb",
    "\x01\x7f\x1b[31m",
    "é€\U0001f600\u2028",
    "\udcff\udc80",  # bytes that are no UTF-8, as os.fsdecode has them
    "x" * 100_000,
    "{a,b}",
    "a;b&c|d>e<f(g)",
    "'\\''",
]

# What a file name, an argument or a variable may hold: any bytes but NUL.
TEXTS = st.one_of(
    st.binary(max_size=30).map(lambda raw: os.fsdecode(raw.replace(b"\0", b""))),
    st.text(st.sampled_from(list("ab'\"\\$`*?[]{}()~!#&;|<>-= \t\n\r\x01\x7f")), max_size=20),
    st.sampled_from(HOSTILE),
)
VALUES = st.lists(
    st.one_of(TEXTS, st.sampled_from(["${B}", "$${B}", "${C_1}", "$B", "${", "}", "${1}", "${B-x}", "$$${B}", ":"])),
    max_size=5,
).map(lambda pieces: os.fsdecode(os.fsencode("".join(pieces))))
QUICK = settings(max_examples=150, deadline=None)


def run(shell: str, script: str, directory: Path, environment: dict[str, str] | None = None) -> list[str]:
    """The words that a script prints, each ended by a NUL."""
    path = directory / "script"
    path.write_bytes(os.fsencode(script))
    result = subprocess.run(
        [shell, str(path)],
        stdout=subprocess.PIPE,
        check=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})},
    )
    return [os.fsdecode(word) for word in result.stdout.split(b"\0")[:-1]]


@pytest.mark.parametrize("shell", SHELLS)
@QUICK
@given(st.lists(TEXTS, min_size=1, max_size=20))
@example(HOSTILE)
def test_shell_word(shell: str, tmp_path: Path, texts: list[str]) -> None:
    script = "".join(f"printf '%s\\0' {shell_word(text)}\n" for text in texts)
    assert run(shell, script, tmp_path) == texts


@pytest.mark.parametrize("shell", SHELLS)
@QUICK
@given(st.lists(TEXTS, min_size=1, max_size=20))
@example(HOSTILE)
def test_shell_words_keep_apart_on_one_line_and_in_assignments(shell: str, tmp_path: Path, texts: list[str]) -> None:
    names = [f"v{number}" for number in range(len(texts))]
    script = "".join(f"{name}={shell_word(text)}\n" for name, text in zip(names, texts, strict=True))
    script += "printf '%s\\0' " + " ".join(map(shell_word, texts)) + "\n"
    script += "printf '%s\\0' " + " ".join(f'"${name}"' for name in names) + "\n"
    assert run(shell, script, tmp_path) == texts * 2


@QUICK
@given(st.lists(TEXTS, max_size=20))
@example(HOSTILE)
def test_shell_array(tmp_path: Path, texts: list[str]) -> None:
    script = f'a={shell_array(texts)}\nprintf "%s\\0" "${{#a[@]}}" "${{a[@]}}"\n'
    words = run("bash", script, tmp_path)
    assert words == [str(len(texts)), *texts] if texts else words == ["0"]


@pytest.mark.parametrize("shell", SHELLS)
@QUICK
@given(
    st.lists(VALUES, min_size=1, max_size=20),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("B", "C_1"), TEXTS)),
)
@example(HOSTILE, {"B": "'\"$(no)\n", "C_1": ""})
def test_a_shell_and_expand_references_agree(
    shell: str, tmp_path: Path, values: list[str], environment: dict[str, str]
) -> None:
    """J2, on both of its ways: by a shell, and without one."""
    script = "".join(
        f"{shell_assignment(f'v{number}', value)}\nexport v{number}\nprintf '%s\\0' \"$v{number}\"\n"
        for number, value in enumerate(values)
    )
    expected = [os.fsdecode(os.fsencode(expand_references(value, environment))) for value in values]
    assert run(shell, script, tmp_path, environment) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${B}", "b"),
        ("$${B}", "${B}"),
        ("$$${B}", "$${B}"),
        ("/x:${B}:${NONE}:y", "/x:b::y"),
        ("$B", "$B"),
        ("${B", "${B"),
        ("${1}", "${1}"),
        ("${B-x}", "${B-x}"),
        ("$(no) `no`", "$(no) `no`"),
        ("", ""),
    ],
)
def test_J2_references(value: str, expected: str) -> None:
    assert expand_references(value, {"B": "b"}) == expected


@given(st.one_of(st.text(max_size=40).filter(str.isprintable), TEXTS.filter(str.isprintable)))
@example('a"b\\"c\\')
@example("\\\\")
@example("a' b")
@example("")
def test_directive_value(value: str) -> None:
    """Read as a shell reads double quotes, in which it expands nothing of what Slurm would not."""
    text = f"--name={directive_value(value)}"
    assert shlex.split(text) == [f"--name={value}"]
    assert "\n" not in text


def test_plain_directive_values_stay_plain() -> None:
    assert directive_value("gpu:a100:2,x=1") == "gpu:a100:2,x=1"

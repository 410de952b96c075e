"""The pages as tests see them: fenced blocks, and the shell commands in them, cut as a shell would cut them."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from bench.__main__ import main as bench
from streams.cli import main as streamrank
from streams.settings import Settings, checkout, parse, variable

ROOT: Final = checkout()
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "client").glob("*.md")])
#: modules that pages run with `python -m`, and that parse their arguments with click
MODULES: Final = {"bench": bench, "streams.cli": streamrank}
#: what a shell has anyway
PLAIN: Final = ("cat", "curl", "cd", "echo", "npm", "node")
_ENDS: Final = frozenset((";", "&", "&&", "|", "||"))
_REDIRECTS: Final = frozenset((">", ">>", "<", "<<"))


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its page, the line it begins at, its language and its text."""

    page: str
    line: int
    language: str
    text: str


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text()


def name_of(path: Path) -> str:
    """A page's path from the checkout."""
    return str(path.relative_to(ROOT))


def blocks(name: str, language: str = "") -> list[Block]:
    """The fenced blocks of a page, all or those of one language."""
    found, text = [], page(name)
    for match in re.finditer(r"^[ ]*```(\w*)\n(.*?)^[ ]*```$", text, re.MULTILINE | re.DOTALL):
        line = text[: match.start()].count("\n") + 1
        found.append(Block(name, line, match[1], match[2]))
    return [block for block in found if not language or block.language == language]


def all_blocks(language: str) -> list[Block]:
    """The fenced blocks of one language in all pages."""
    return [block for path in PAGES for block in blocks(name_of(path), language)]


def steps(script: str) -> Iterator[str]:
    """What a shell runs one after the other: lines, continued ones and those with a here-document as one.

    >>> list(steps("a \\\\\\n  b  # why\\ncat > f <<'END'\\nx\\nEND\\n"))
    ['a \\\\\\n  b  # why', "cat > f <<'END'\\nx\\nEND"]
    """
    lines = iter(script.splitlines())
    for line in lines:
        step = line
        while step.endswith("\\"):
            step += "\n" + next(lines, "")
        end = re.search(r"<<'?(\w+)'?", step)
        while end and step.rsplit("\n", 1)[-1] != end[1]:
            step += "\n" + next(lines)
        if step.strip() and not step.lstrip().startswith("#"):
            yield step


def commands(step: str) -> list[list[str]]:
    """The words of each command of a step, without comments, redirections and here-documents.

    >>> commands("A=1 streamrank ask --text 'red tea' | cat > f  # what")
    [['A=1', 'streamrank', 'ask', '--text', 'red tea'], ['cat']]
    """
    head = step.split("\n", 1)[0] if "<<" in step else step.replace("\\\n", " ")
    cutter = shlex.shlex(head, posix=True, punctuation_chars=True)
    cutter.whitespace_split = True
    found: list[list[str]] = [[]]
    words = iter(cutter)
    for word in words:
        if word in _ENDS:
            found.append([])
        elif word in _REDIRECTS:
            next(words)
        else:
            found[-1].append(word)
    return [some for some in found if some]


def indented(name: str) -> Iterator[str]:
    """The commands in a page's indented blocks."""
    for line in page(name).splitlines():
        if re.match(r" {4}(STREAMRANK_\w+=\S+ )*(streamrank|python|make) ", line):
            yield line.strip()


def spans(name: str) -> Iterator[str]:
    """The commands in a page's running text, between backticks; they may be cut short."""
    text = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
    for match in re.finditer(r"`((?:streamrank|make|python -m) [^`]+)`", text):
        yield match[1].replace("\n", " ").replace("\\|", "|")


def check(words: list[str]) -> None:
    """Raise what is wrong with a command: an option or argument that does not exist, a target, a module, a value."""
    words = [re.sub(r"\$\(.*?\)|\$\w+", "1", word) for word in words]
    while words and re.match(r"[A-Z_]+=", words[0]):
        _check_variable(words.pop(0))
    if not words or re.match(r"[a-z]+=", words[0]):
        return
    program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
    if program == "streamrank":
        check_arguments(streamrank, arguments)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE)
        wrong = [word for word in arguments if "=" not in word and word not in targets]
        assert not wrong, f"make has no target {wrong}"
    elif program == "export":
        for word in arguments:
            _check_variable(word)
    elif program == "python" and arguments[0] == "-m":
        _check_module(arguments[1], arguments[2:])
    elif program == "docker":
        files = [arguments[n + 1] for n, word in enumerate(arguments) if word == "-f"]
        assert files, "no compose file is named"
        assert all((ROOT / file).is_file() for file in files), files
    elif program == "kubectl":
        folders = [arguments[n + 1] for n, word in enumerate(arguments) if word == "--kustomize"]
        assert all((ROOT / folder / "kustomization.yaml").is_file() for folder in folders), folders
        for word in arguments:
            if word.startswith("--from-literal="):
                _check_variable(word.removeprefix("--from-literal="))
    elif program == ".ci/run":
        assert (ROOT / program).is_file()
    else:
        assert program in PLAIN, f"{program!r} is no command that these pages use"


def check_arguments(command: click.Command, arguments: list[str], name: str = "") -> None:
    """Parse arguments as the command line would, without running anything; files need not exist."""
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    context = command.make_context(name or command.name, list(arguments))
    if isinstance(command, click.Group):
        inner, chosen, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert chosen is not None
        check_arguments(chosen, rest, inner or "")


def examples(command: click.Command = streamrank, name: str = "streamrank") -> Iterator[str]:
    """The commands in the help of a command, and in that of its subcommands."""
    found = (command.help or "").partition("Example: ")[2]
    assert found, f"{name} --help has no example"
    yield from (line.strip() for line in found.splitlines() if line.strip())
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for inner in command.list_commands(context):
                chosen = command.get_command(context, inner)
                assert chosen is not None
                yield from examples(chosen, f"{name} {inner}")


def check_span(text: str) -> None:
    """What can be said of a command that is cut short: its command is there, and so are its options."""
    words = text.split()
    command: click.Command = streamrank
    if words[0] == "make":
        check(words[:2])
        return
    if words[0] == "python":
        if words[2] not in MODULES:
            _check_module(words[2], [])
            return
        command, words = MODULES[words[2]], words[2:]
    for word in words[1:]:
        if isinstance(command, click.Group) and not word.startswith(("-", "[")):
            with click.Context(command) as context:
                names = re.split(r"\|", word)
                inner = [command.get_command(context, name) for name in names if name.isidentifier() or "-" in name]
            assert inner, f"{text!r}: {word!r} is no command"
            assert None not in inner, f"{text!r}: {word!r} is no command"
            command = inner[0] or command
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    wrong = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - options - {"--help"}
    assert not wrong, f"{text!r}: no option {wrong}"


def _check_variable(word: str) -> None:
    name, _, value = word.partition("=")
    settings = {variable(field): field for field in Settings.__dataclass_fields__}
    if name in settings:
        parse(settings[name], value, name)
    else:
        assert name in settings or name in ("PATH", "KEEP", "STREAMRANK_DATA"), f"{name} is no setting"


def _check_module(name: str, arguments: list[str]) -> None:
    assert importlib.util.find_spec(name) is not None, f"no module {name}"
    if name == "pytest":
        files = [word.split("::")[0] for word in arguments if word.startswith("tests")]
        assert all((ROOT / file).exists() for file in files), files
    elif name in MODULES:
        check_arguments(MODULES[name], arguments)

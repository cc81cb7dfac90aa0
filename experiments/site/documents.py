"""Pages that are run: what their code prints, and the pictures that it makes, are its own.

    python -m experiments.documents docs/tutorial.md docs/gallery.md

Blocks of ```python are run one after another, as in one session, in an empty folder; one that
begins with `# name.py` is that file. Lines of ```console, `python -m experiments…`, are run as
commands. A block of ```text behind is what was printed. The picture `images/tutorial-a-b.png` of
the page tutorial.md is the file a/b.png that its code saved.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import runpy
import shlex
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code of a page, and where it is."""

    language: str
    text: str
    start: int
    end: int


def blocks(page: str, *languages: str) -> list[Block]:
    """The blocks of code in these languages, or in any.

    >>> [block.text for block in blocks("```python\\n1 + 1\\n```\\n", "python")]
    ['1 + 1\\n']
    """
    found = (Block(m[1], m[2], m.start(2), m.end(2)) for m in BLOCK.finditer(page))
    return [block for block in found if not languages or block.language in languages]


def written_again(page: str, folder: Path) -> str:
    """The page with what its code prints when it is run in the folder."""
    parts, end = [], 0
    with session(folder):
        namespace: dict[str, Any] = {"__name__": "__main__"}
        printed = ""
        for block in blocks(page):
            parts.append(page[end : block.start])
            parts.append(printed if block.language == "text" else block.text)
            if block.language in ("python", "console"):
                printed = run(block, folder, namespace)
            end = block.end
    return "".join([*parts, page[end:]])


def run(block: Block, folder: Path, namespace: dict[str, Any]) -> str:
    """What a block prints."""
    out = io.StringIO()
    file = re.match(r"# (\w+\.py)\n", block.text)
    with redirect_stdout(out), redirect_stderr(io.StringIO()) as errors:
        if file:
            (folder / file[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, "<block>", "exec"), namespace)
        else:
            for line in block.text.replace("\\\n", " ").splitlines():
                if code := command(*shlex.split(line, comments=True)[2:]):
                    raise RuntimeError(f"{line}: exit code {code}\n{errors.getvalue()}")
    return out.getvalue()


def command(module: str, *arguments: str) -> object:
    """The exit code of `python -m module arguments`, here in this process."""
    typed, sys.argv = sys.argv, [module, *arguments]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as done:
            return done.code
        finally:
            sys.argv = typed
    return 0


@contextmanager
def session(folder: Path) -> Iterator[None]:
    """As if Python had been started in the folder; what is imported from it is forgotten."""
    before, path, modules = Path.cwd(), list(sys.path), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]


def pictures(name: str, page: str, folder: Path) -> dict[str, Path]:
    """The pictures of a page, as it links to them, and what its code has saved for them."""
    linked = re.findall(rf"\]\((images/{name}-[^)]+)\)", page)
    files = (path for path in folder.rglob("*") if path.is_file())
    saved = {"-".join(path.relative_to(folder).parts): path for path in files}
    return {link: saved[link.removeprefix(f"images/{name}-")] for link in linked}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.documents", allow_abbrev=False)
    parser.add_argument("pages", nargs="+", type=Path, help="docs/tutorial.md …: written again")
    for path in parser.parse_args(arguments).pages:
        write_again(path.resolve())
        print(path)
    return 0


def write_again(path: Path) -> None:
    """A page and its pictures."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        again = written_again(page, folder)
        for link, picture in pictures(path.stem, page, folder).items():
            (path.parent / link).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, path.parent / link)
    path.write_text(again, encoding="utf-8")

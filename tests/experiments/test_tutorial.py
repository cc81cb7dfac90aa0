"""Pages whose code is run: the tutorial is what its code prints and draws."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import surrogate
from experiments.pictures import gallery
from experiments.pictures.atlas import command as atlas
from experiments.site import documents
from surrogate.catalogue import catalogue

DOCS = Path(__file__).parent.parent.parent / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
AGAIN = "write it again: python -m experiments.documents docs/tutorial.md"


@pytest.fixture(autouse=True)
def _what_is_registered_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_entries", dict(catalogue._entries))


def deterministic(page: str) -> list[tuple[str, str]]:
    """The blocks of a page, without the numbers that commands measure and their order."""
    found, behind = [], ""
    for block in documents.blocks(page):
        text = block.text
        if block.language == "text" and behind == "console":
            lines = (re.sub(r"[\d.,]+", "0", line).split() for line in text.splitlines())
            text = "\n".join(sorted(" ".join(line) for line in lines))
        found.append((block.language, text))
        behind = block.language
    return found


def test_the_tutorial_is_what_its_code_prints_and_draws(tmp_path: Path) -> None:
    again = documents.written_again(TUTORIAL, tmp_path)
    assert deterministic(again) == deterministic(TUTORIAL), AGAIN
    saved = documents.pictures("tutorial", TUTORIAL, tmp_path)
    assert len(saved) == 3
    committed = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("images/tutorial-*.png")}
    assert committed == set(saved)
    for link, path in saved.items():
        assert (DOCS / link).stat().st_size < 400_000
        with Image.open(path) as new, Image.open(DOCS / link) as old:
            assert new.size == old.size, AGAIN
            pixels = [np.asarray(image.convert("L"), float) for image in (new, old)]
        assert np.abs(pixels[0] - pixels[1]).mean() < 2, AGAIN
    assert "my_pairs" not in sys.modules
    assert Path.cwd() != tmp_path


def test_every_block_of_the_tutorial_is_run() -> None:
    languages = [block.language for block in documents.blocks(TUTORIAL)]
    assert set(languages) == {"python", "console", "text"}
    assert TUTORIAL.count("\n```\n") == len(languages), "each block is found"
    for first, second in zip(["", *languages], languages, strict=False):
        assert second != "text" or first in ("python", "console")


def test_what_it_links_to_exists() -> None:
    linked = re.findall(r"\]\((?!https?:|#)([^)]+)\)", TUTORIAL)
    assert len(linked) > 3
    assert all((DOCS / path).is_file() for path in linked), linked


PAGE = """
```python
# mine.py
value = 41
```

Then

```python
import mine

x = mine.value
print(x)
```

```text
```

```console
python -m experiments.gallery --act relu \\
    --samples 9 -o out  # a comment
```

```text
old
```

![](images/page-out-pairs-relu.png)
"""


def test_a_page_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert documents.main(["page.md"]) == 0
    expected = PAGE.replace("```text\n```", "```text\n41\n```").replace(
        "old", "out/pairs\nout/overview.png"
    )
    assert page.read_text() == expected
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "images",
        "page-out-pairs-relu.png",
        "page.md",
    ]
    assert capsys.readouterr().out == "page.md\n"


def test_what_fails_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        documents.written_again("```python\n1 / 0\n```\n", tmp_path)
    with pytest.raises(RuntimeError, match="exit code 2\nerror: --act: unknown activation 'rel'"):
        documents.written_again(
            "```console\npython -m experiments.gallery --act rel -o out\n```\n", tmp_path
        )
    assert surrogate.names()


GALLERY = (DOCS / "gallery.md").read_text(encoding="utf-8")


def test_the_gallery_page_shows_what_is_there() -> None:
    linked = re.findall(r"\]\((images/[^)]+)\)", GALLERY)
    assert sorted(linked) == sorted(
        path.relative_to(DOCS).as_posix() for path in DOCS.glob("images/gallery-*")
    )
    for link in linked:
        limit = 1_500_000 if link.endswith(".gif") else 400_000
        assert (DOCS / link).stat().st_size < limit, link


def test_the_commands_of_the_gallery_page_are_commands() -> None:
    """They take a minute, so that here they are only read."""
    readers = {"experiments.gallery": gallery.read, "experiments.atlas": atlas.read}
    lines = [
        line for block in documents.blocks(GALLERY, "console") for line in block.text.splitlines()
    ]
    assert len(lines) > 8
    for line in lines:
        *_, module = line.split()[:3]
        readers[module](shlex.split(line)[3:])

"""One smoke run that many tests look at, and the command as a function."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page

from experiments import autoencoder, classifier
from experiments.pictures.explorer import command as explorer_command
from experiments.settings.read import read_settings
from experiments.site.documents import blocks
from experiments.studies.plan import Job, plan
from tests.browser import chromium, errors, follow, opened

CONFIGS = Path(autoencoder.__file__).parent.parent / "configs"
RESULTS = CONFIGS.parent / "docs" / "results"


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code, and what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


def planned(*arguments: str) -> list[Job]:
    """The runs that `python -m experiments.compare` with these arguments would carry out."""
    return plan(read_settings("compare", arguments, engine="local"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are quicker, and tests beside each other calmer, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def run() -> Command:
    """`run("relu", runs, "--seed", "1")`: the autoencoder's command at the smoke config."""

    def run(acts: str, runs: Path, *options: str) -> Outcome:
        return command(
            *("--config", str(CONFIGS / "smoke.yaml"), "--runs", str(runs)),
            *("--act", *acts.split("|"), *options),
        )

    return run


@pytest.fixture(scope="session")
def command_line() -> Command:
    """The autoencoder's command with exactly these arguments."""
    return command


@pytest.fixture(scope="session")
def classify() -> Command:
    """`classify("relu", runs, "--seed", "1")`: the classifier's command at its smoke config."""

    def run(acts: str, runs: Path, *options: str) -> Outcome:
        return command(
            *("--config", str(CONFIGS / "classifier" / "smoke.yaml"), "--runs", str(runs)),
            *("--baseline", "none", "--act", *acts.split("|"), *options),
            main=classifier.main,
        )

    return run


def command(*arguments: str, main: Callable[[Sequence[str]], int] = autoencoder.main) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return Outcome(code, out.getvalue(), err.getvalue())


def readme_file(name: str, folder: Path) -> Path:
    """A file that the README shows, written to a folder."""
    (text,) = (
        block.text
        for block in blocks((CONFIGS.parent / "README.md").read_text(), "python")
        if block.text.startswith(f"# {name}\n")
    )
    path = folder / name
    path.write_text(text)
    return path


@dataclass(frozen=True)
class Smoke:
    """The outcome of the shared run, and where its runs are kept."""

    outcome: Outcome
    runs: Path

    def directory(self, act: str) -> Path:
        return self.runs / "autoencoder" / act / "seed0"


@pytest.fixture(scope="session")
def smoke(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """linear (the baseline), cantor2 and a pair in text form, at the smoke config."""
    runs = tmp_path_factory.mktemp("smoke") / "runs"
    return Smoke(run("cantor2|Staircase(step=.5)/Blurred(width=.3)", runs), runs)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests that need one; without it they fail."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def explorer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The explorer, with runs."""
    output = tmp_path_factory.mktemp("page") / "explorer.html"
    assert explorer_command.main(["-o", str(output), "--runs", str(RESULTS / "claims.jsonl")]) == 0
    return output


@pytest.fixture(scope="module")
def explorer_page(browser: Browser, explorer_file: Path) -> Iterator[Page]:
    with opened(browser, explorer_file.as_uri()) as page:
        yield page


@pytest.fixture
def explorer(explorer_page: Page) -> Iterator[Page]:
    """The explorer as it is at first, which has nothing to complain of afterwards."""
    follow(explorer_page, "")
    yield explorer_page
    assert errors(explorer_page) == []

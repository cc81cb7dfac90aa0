"""The digest of the code that computes a pair, and what becomes of runs when it changes."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import pytest

import surrogate
from experiments.runs import code
from experiments.runs.code import as_code, code_of, collect, definitions
from tests.experiments.conftest import Command

USED = {
    "cantor2": {("surrogate.functions.cantor", "_digits"), ("surrogate.core.tables", "look_up")},
    "gelu": {("surrogate.functions.arithmetic", "identity_above")},
}


@pytest.mark.parametrize("name", USED)
def test_the_code_of_a_pair_is_its_formulas_and_what_they_use(name: str) -> None:
    pair = surrogate.get(name)
    found: dict[tuple[str, str], str] = {}
    for part in (pair.function, pair.derivative):
        for kind in inspect.getmro(type(part)):
            collect((kind.__module__, kind.__name__), found)
    assert USED[name] <= found.keys()
    assert not any("messages" in module or module.endswith("text") for module, _ in found)


def test_pairs_have_codes_of_their_own() -> None:
    codes = {name: code_of(surrogate.get(name)) for name in ("relu", "gelu", "cantor2")}
    assert len(set(codes.values())) == 3
    assert code_of(surrogate.get("relu_blurred")) != codes["relu"]
    # Numbers are no code: the text of the pair has them.
    assert code_of(surrogate.get("cantor2(depth=5)")) == codes["cantor2"]


def test_a_comment_is_no_code_and_a_formula_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(code.sys.modules["surrogate.functions.cantor"].__file__ or "").read_text()
    before = code_of(surrogate.get("cantor2"))

    def with_text(changed: str) -> str:
        definitions.cache_clear()
        with monkeypatch.context() as patch:
            original = Path.read_text
            patch.setattr(
                Path, "read_text",
                lambda path, *rest: changed if path.name == "cantor.py" else original(path, *rest),
            )  # fmt: skip
            found = code_of(surrogate.get("cantor2"))
        definitions.cache_clear()
        return found

    assert with_text(text) == before
    assert with_text(text.replace("by one look-up", "by a single look-up") + "\n# end\n") == before
    assert with_text(text.replace("whole + self._by_cell", "whole - self._by_cell")) != before
    assert with_text(text.replace("half = weight * 2.0", "half = weight * 3.0")) != before


def test_files_of_the_user_count_as_a_whole() -> None:
    pair = surrogate.get("relu")
    first, comment, other = b"x = 1", b"# one\nx = 1  # two", b"x = 2"
    assert code_of(pair, [first]) == code_of(pair, [comment]) != code_of(pair, [other])
    assert as_code(ast.parse('def f():\n    "what it does"\n    return 1')) == as_code(
        ast.parse('def f():\n    "something else"\n    return 1')
    )


def test_what_other_code_computed_is_kept_and_said_or_done_again(
    run: Command, tmp_path: Path
) -> None:
    options = ("--baseline", "none", "--trainer.max_epochs", "1")
    assert run("relu", tmp_path, *options).code == 0
    directory = tmp_path / "autoencoder" / "relu" / "seed0"
    identity = json.loads((directory / "identity.json").read_text())
    (directory / "identity.json").write_text(json.dumps(identity | {"code": "another"}))
    result = (directory / "result.json").read_bytes()
    kept = run("relu", tmp_path, *options)
    assert kept.code == 0
    assert "computed by other code: relu: run again with --again, or keep" in kept.err
    assert [path.name for path in directory.parent.iterdir()] == ["seed0"]
    again = run("relu", tmp_path, *options, "--again")
    assert again.code == 0
    assert "other code" not in again.err
    assert (directory / "result.json").read_bytes() == result
    assert len(list(directory.parent.glob("seed0-*/result.json"))) == 1
    assert "other code" not in run("relu", tmp_path, *options).err
    # One that was cut off is not gone on with by other code.
    (directory / "result.json").unlink()
    (new,) = directory.parent.glob("seed0-*")
    (new / "result.json").unlink()
    assert run("relu", tmp_path, *options).code == 0
    assert not (directory / "result.json").exists()

"""What the tests share: fresh random numbers, and marks by what a test needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

# What the tests of a file need besides Python. `make quick` leaves all of these out.
NEEDS = {
    "compiler": (
        "test_activation test_check test_contract test_drawn test_function_facts test_fusion "
        "test_magnitude test_schedule test_shapes test_stale test_stochastic test_tables "
        "test_transforms test_upstream test_varying test_inside_timm"
    ),
    "process": (
        "test_anneal test_classifier test_code test_command test_compare test_distributed "
        "test_faults test_folders test_fuzz test_own test_resume test_soak test_tutorial "
        "test_readme test_peers test_audit test_loggers"
    ),
    "browser": "test_explorer test_explorer_figures test_explorer_page test_tensorboard",
    "cluster": "test_ray",
    "sampling": "test_extremes",  # thousands of inputs for every function
}
# Fixtures that train networks.
TRAINING = {"smoke", "run", "classify", "study"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        needed = {need for need, files in NEEDS.items() if item.path.stem in files.split()}
        if TRAINING & {*getattr(item, "fixturenames", ())}:
            needed.add("process")
        for need in needed:
            item.add_marker(need)


@pytest.fixture(autouse=True)
def _fresh_state(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same random numbers for each test, and no compiled code of another one."""
    torch.manual_seed(0)
    yield
    if request.node.get_closest_marker("compiler"):
        torch._dynamo.reset()

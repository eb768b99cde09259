"""What a public project needs: one version everywhere, public names, a CI workflow."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml

from tests.support.commands import REPOSITORY


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_version_and_licence_are_the_same_everywhere() -> None:
    version = re.search(r'^version = "(.*)"$', read("pyproject.toml"), re.M)
    assert version is not None
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == version[1]
    assert citation["license"] == "MIT"
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "type"}
    newest = re.search(r"^## (\S+?),? ", read("CHANGELOG.md"), re.M)
    assert newest is not None
    assert newest[1] == version[1]


@pytest.mark.parametrize("package", ["sd_bench", "analysis"])
def test_what_is_public_is_there_and_documented(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__doc__, name
    assert (REPOSITORY / package / "py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_the_workflow_of_a_public_host_calls_ours() -> None:
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    (job,) = workflow["jobs"].values()
    assert ".ci/run" in [step.get("run") for step in job["steps"]]


def test_the_change_of_a_record_is_among_the_changes() -> None:
    from sd_bench.records.schema import SCHEMA_VERSION

    assert f"schema version {SCHEMA_VERSION}" in read("CHANGELOG.md")
    assert f"`schema_version` is {SCHEMA_VERSION}" in read("docs/records.md")

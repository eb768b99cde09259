"""What people type and what Hydra gets: a sweep, or one line with the right spelling."""

from __future__ import annotations

import shlex

import pytest

from sd_bench.config.hydra_arguments import arguments_for_hydra, split_flags, typed_value
from sd_bench.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("batch_size=1,2,4", "batch_size='1','2','4'"),
        ("batch_size=1, 2", "batch_size='1','2'"),
        ("batch_size= 4", "batch_size='4'"),
        ("batch_size='4'", "batch_size='4'"),
        ("batch_size=choice(2,4)", "batch_size='2','4'"),
        ("batch_size=sort(4,1)", "batch_size='1','4'"),
        ("batch_size=shuffle(1,2)", "batch_size=shuffle('1','2')"),
        ("batch_size=range(1,3)", "batch_size='1','2'"),
        ("++batch_size=2", "batch_size='2'"),
        ("workload.batch_size=range(1,3)", "workload.batch_size=range(1,3)"),
        ("attention=choice(flash,math)", "attention=choice(flash,math)"),
        ("attention_backend=flash", "attention=flash"),
        ("prompt=[a cat,a dog]", "prompt=[a cat,a dog]"),
        ('prompt="it\'s a cat, (1)"', 'prompt="it\'s a cat, (1)"'),
        ("~images", "~images"),
    ],
)
def test_what_hydra_is_given(typed: str, given: str) -> None:
    assert arguments_for_hydra([typed]) == [given]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("batch_size=[1,2]", "is a list, but one cell takes one option; write -m batch_size=1,2"),
        ("attention=[math,flash]", "write -m attention=math,flash to measure each"),
        (
            "batch_size=range(1,1000000000)",
            "stands for 999,999,999 values; an axis accepts at most 10,000",
        ),
        ("workload.seed=range(0,20001,2)", "stands for 10,001 values"),
        ("prompt=it's a cat", "its value has special characters; quote it as"),
        ("weights=/x/my model (1) [6ce0].ckpt", "quote it as"),
        ("prompt=a {b", "quote it as"),
        ("attention=choice(flash", "quote it as"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_argument(typed: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        arguments_for_hydra([typed])
    assert str(error.value).startswith(f"{typed}: ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        "it's a cat",
        'say "cat"',
        r"back\slash (1)",
        "(a)\\",
        r"a\"b (1)",
        "a {b",
        "${not",
        "50 % of it's (x)",
        "a,b's",
    ],
)
def test_the_quoting_that_is_advised_gives_the_value(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        arguments_for_hydra([f"prompt={value}"])
    (advised,) = shlex.split(str(error.value).partition("quote it as ")[2])
    (given,) = arguments_for_hydra([advised])
    assert typed_value([given], "prompt") == value or value.startswith("$")


def test_flags_go_first_with_their_values() -> None:
    typed = ["attention=flash", "-cd", "my", "batch_size=1", "--multirun", "-m", "--cfg=job"]
    flags, overrides = split_flags(typed)
    assert flags == ["--config-dir=my", "-m", "--cfg=job"]
    assert overrides == ["attention=flash", "batch_size=1"]
    assert arguments_for_hydra(typed)[:3] == flags


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["attention=flash", "--info", "batch_size=1"], ["--info=all"]),
        (["attention=flash", "-i", "defaults-tree", "images=off"], ["--info=defaults-tree"]),
        (["--info=plugins", "-m"], ["--info=plugins", "-m"]),
        (["-i", "-m"], ["--info=all", "-m"]),
    ],
)
def test_a_flag_whose_value_may_be_left_out_takes_no_override_for_it(
    typed: list[str], given: list[str]
) -> None:
    assert split_flags(typed)[0] == given


def test_a_value_is_read_as_hydra_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", "/models")
    assert typed_value(["++weights='a, b.ckpt'"], "weights") == "a, b.ckpt"
    assert typed_value(["weights='what\\'s {this}.ckpt'"], "weights") == "what's {this}.ckpt"
    assert typed_value(["weights=${oc.env:MODELS}/x.ckpt"], "weights") == "/models/x.ckpt"
    assert typed_value(["weights=a.ckpt,b.ckpt"], "weights") is None
    assert typed_value(["weights=${workload.seed}"], "weights") is None
    assert typed_value(["attention=flash"], "weights") is None

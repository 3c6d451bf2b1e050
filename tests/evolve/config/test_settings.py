"""Settings are written so that they can be read back, and every extreme of every option is taken or refused."""

import shlex
import time
import tomllib

import pytest

from evolve.config.describe import keys
from evolve.config.run_config import RunConfig
from evolve.config.settings import given, load, merge, setting, validated
from evolve.config.written import key_value, toml
from evolve.report.dry_run import configuration
from evolve.report.listings import settings_of
from substrate.errors import UserError

#: What no option of a sound type takes well.
EXTREMES = (0, -1, 1, 2**31, 10**400, 5e-324, 1e-30, 1e308, float("inf"), float("nan"), "", "none")


def test_every_setting_has_a_meaning_and_its_default_can_be_pasted(family):
    """`--set KEY=VALUE` as it is printed, taken apart as a shell does, is the same configuration."""
    found = settings_of(family.name)
    assert all(key.meaning for key in found)
    words = shlex.split(" ".join(f"--set {key_value(key.name, key.default)}" for key in found))
    assert words[::2] == ["--set"] * len(found)
    read = validated(RunConfig, given({}, words[1::2]), "It")
    assert read.flat() == RunConfig(task=family.name).flat()


def test_a_dry_run_can_be_read_back(family, tmp_path):
    config = RunConfig(task=family.name, variation={"selection": "nsga2"}, seed=3)
    file = tmp_path / "again.toml"
    file.write_text("# a comment\n" + toml(configuration(config)), encoding="utf-8-sig")
    assert validated(RunConfig, load(file), "It").flat() == config.flat()


def test_choices_are_told():
    found = {key.name: key.choices for key in settings_of("pca")}
    assert found["options.fitness"] == "angle, final, variance"
    assert found["options.alpha"] == "number at least 0 or none"
    assert found["options.dimensions"] == "list: whole numbers 2 to 200"
    assert found["genes.columns"] == "whole number 1 to 2,000"
    assert "tanh" in found["genes.primitives"] and "elise" in found["task"]


@pytest.mark.parametrize("text", ["a b", 'say "no"', "1", "true", "none", "ö\x7f\n", "[1]", ""])
def test_any_text_is_read_back(text):
    (word,) = shlex.split(key_value("variation.start", text))
    assert setting(word) == {"variation": {"start": text}}
    assert tomllib.loads(toml({"x": {"y": [text]}})) == {"x": {"y": [text]}}


@pytest.mark.parametrize("word", ["none", "None", "NULL", "null"])
def test_nothing_has_words_where_nothing_is_allowed(word):
    read = validated(RunConfig, {"options": setting(f"alpha={word}"), "stop": {"score": word}}, "")
    assert read.task_options.alpha is None and read.stop.score is None
    with pytest.raises(UserError, match="rate"):
        validated(RunConfig, {"options": {"rate": word}}, "")


def test_extremes_of_every_option_are_taken_or_refused(family):
    """By one message, at once; never by another error."""
    for key in keys(family.options):
        for value in EXTREMES:
            for given_ in (value, [value], [[value]]):
                began = time.monotonic()
                try:
                    options = validated(family.options, {key.name: given_}, "It")
                    family.build(options)
                except UserError:
                    pass
                assert time.monotonic() - began < 5, (key.name, given_)


def test_what_is_said_twice_must_agree():
    assert given({"--seed": ("seed", 4)}, ["seed=4"]) == {"seed": 4}
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}
    with pytest.raises(UserError, match="contradict"):
        given({"--islands": ("variation.islands", 4)}, ["variation={islands=5}"])

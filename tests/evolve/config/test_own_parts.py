"""A person's own files: what is taken in, and what each mistake in them is told as."""

import pickle
import re
import sys
import textwrap

import pytest

from evolve.config import own_parts
from evolve.config.own_parts import load_parts, load_recorded, recorded, registries
from evolve.config.run_config import RunConfig
from evolve.config.settings import validated
from evolve.exports import TARGETS
from rules_zoo import RULES
from substrate.errors import UserError
from substrate.hardware import PROFILES
from tasks import FAMILIES

RULE = "from substrate import PRE, POST, W, Rule\nRULE = Rule('{}', {})\n"
PROFILE = "from substrate.hardware.base import Profile\nPROFILE = Profile('{}', 'a chip')\n"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test loads goes with it."""
    monkeypatch.setattr(own_parts, "_LOADED", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = [dict(registry) for registry in registries()]
    yield
    for registry, entries in zip(registries(), before, strict=True):
        for source in {registry.source(name) for name in registry if name not in entries}:
            registry.forget(source)
        assert dict(registry) == entries


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_file_may_define_several_parts_of_every_kind(write):
    text = """
        from evolve.exports.base import Target
        from rules_zoo import RULES
        from substrate.hardware.base import Profile
        from tasks import FAMILIES
        from dataclasses import replace
        RULE = (RULES["oja"].renamed("oja_2"), RULES["hebb"].renamed("hebb_2"))
        FAMILY = replace(FAMILIES["pca"], name="pca_2")
        PROFILE = [Profile("chip_2", "a chip")]
        TARGET = Target("text_2", ".txt", "text", lambda rule, provenance: rule.name)
    """
    (own,) = load_parts(write(text))
    assert {"oja_2", "hebb_2"} < set(RULES) and RULES["oja_2"].dw == RULES["oja"].dw
    assert "pca_2" in FAMILIES and "chip_2" in PROFILES and "text_2" in TARGETS
    assert list(RULES) == sorted(RULES) and len(RULES) == len(list(RULES))
    assert RULES.source("oja_2") == str(own.path) and RULES.source("oja") is None
    assert [len(parts) for parts in own.parts] == [2, 1, 1, 1]
    config = RunConfig(task="pca_2", hardware="chip_2")
    assert config.load == recorded() == (f"{own.path} sha256:{own.digest[:16]}",)
    assert RunConfig().flat()["load"] == config.load


def test_what_lies_beside_a_file_and_in_a_package_can_be_imported(write):
    write("from substrate import PRE\nCHANGE = 2 * PRE\n", "beside.py")
    load_parts(
        write("from beside import CHANGE\nfrom substrate import Rule\nRULE = Rule('twice', CHANGE)")
    )
    write("from substrate import PRE\nCHANGE = 3 * PRE\n", "pack/inner.py")
    init = "from .inner import CHANGE\nfrom substrate import Rule\nRULE = Rule('thrice', CHANGE)"
    load_parts(write(init, "pack/__init__.py").parent)
    assert {"twice", "thrice"} < set(RULES)


def test_a_file_is_run_once_and_again_when_it_has_changed(write, capsys):
    path = write("print('here')\n" + RULE.format("mine", "PRE"))
    first = load_parts(path, path)
    assert load_parts(path) == first[:1]
    out, err = capsys.readouterr()
    assert (out, err) == ("", "here\n"), (
        "what a file prints must not mix with what the platform prints"
    )
    write(RULE.format("mine", "POST"))
    load_parts(path)
    assert str(RULES["mine"].dw) == "post" and len(recorded()) == 1
    write(RULE.format("oja", "POST"))
    with pytest.raises(UserError, match="oja"):
        load_parts(path)
    assert str(RULES["mine"].dw) == "post", "the version that was good stays"


WRONG = {
    "no such name": ("x = 1\nRULE = Rul('a')\n", r"mine\.py, line 2: NameError: name 'Rul'"),
    "no Python": ("RULE = (\n", r"mine\.py, line 1: SyntaxError"),
    "a wrong rule": (
        "from substrate import Rule, names\n\nRULE = Rule('a', names('zz')[0])\n",
        r"mine\.py, line 3: Rule 'a': dw = zz uses zz",
    ),
    "no such module": ("import no_such_module\n", r"line 1: ModuleNotFoundError.*no_such_module"),
    "an exit": ("import sys\nsys.exit('bye')\n", r"line 2: SystemExit: bye"),
    "null bytes": ("x = '\0'\n", r"mine\.py.*null bytes"),
    "nothing": ("x = 1\n", r"mine\.py defines no part.*RULE \(a Rule\).*TARGET \(a Target\)"),
    "another name": (
        "from substrate import Rule, PRE\nmy_rule = Rule('a', PRE)\n",
        r"It has a Rule called my_rule: call it RULE",
    ),
    "a text": ("RULE = 'post*pre'\n", r"mine\.py: RULE is a Rule or a tuple of them, not 'str'"),
    "none": ("FAMILY = None\n", r"FAMILY is a Family or a tuple of them, not 'NoneType'"),
    "an empty tuple": ("RULE = ()\n", r"mine\.py: RULE is empty"),
    "a class": ("from substrate import Rule\nRULE = Rule\n", r"RULE is a Rule.*not 'type'"),
    "a name of ours": (RULE.format("oja", "PRE"), r"rule 'oja' is there already.*rules_zoo.*another"),
    "a profile of ours": (PROFILE.format("bss2"), r"hardware profile 'bss2' is there already"),
    "a name twice": (
        "from substrate import Rule, PRE\nRULE = Rule('a', PRE), Rule('a', 2*PRE)\n",
        r"two rules are called 'a'",
    ),
    "a name with a comma": (RULE.format("a,b", "PRE"), r"rule 'a,b' needs a name of the letters"),
    "a name with a colon": (PROFILE.format("a:b"), r"'a:b' needs a name"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_in_a_file_is_one_message_and_nothing_is_taken_in(kind, write):
    text, message = WRONG[kind]
    path = write(text)
    modules, before = set(sys.modules), [dict(registry) for registry in registries()]
    with pytest.raises(UserError, match=re.compile(message, re.DOTALL)) as refusal:
        load_parts(path)
    assert str(path) in str(refusal.value) and "Traceback" not in str(refusal.value)
    assert [dict(registry) for registry in registries()] == before and recorded() == ()
    assert not {name for name in set(sys.modules) - modules if name.startswith("own_")}


def test_an_error_in_what_lies_beside_is_placed_there(write):
    write("\n\nx = 1 / 0\n", "helper_of_mine.py")
    with pytest.raises(UserError, match=r"helper_of_mine\.py, line 3: ZeroDivisionError"):
        load_parts(write("import helper_of_mine\n"))


def test_what_is_no_python_file_is_refused(write, tmp_path):
    write("x = 1", "my_task.py")
    for path, message in [
        ("my_tusk.py", r"There is no file .*my_tusk\.py to load. Did you mean my_task\.py"),
        ("far/away.py", "Give the path of a Python file of yours"),
        ("rule.json", r"rule in a JSON file needs no --load"),
        ("", r"has no __init__\.py"),
    ]:
        with pytest.raises(UserError, match=message):
            load_parts(tmp_path / path)
    with pytest.raises(UserError, match=r"its name must end in \.py"):
        load_parts(write("x = 1", "words.txt"))


def test_a_name_that_another_file_has_taken_names_that_file(write):
    first = write(RULE.format("mine", "PRE"), "first.py")
    load_parts(first)
    with pytest.raises(UserError, match=re.escape(f"rule 'mine' is there already ({first})")):
        load_parts(write(RULE.format("mine", "POST"), "second.py"))


def test_a_configuration_never_runs_a_file(write):
    path = write(
        f"import pathlib\npathlib.Path({str(write('')) + '.ran'!r}).touch()\n"
        + RULE.format("mine", "PRE")
    )
    ran = path.with_name("mine.py.ran")
    for records, message in [
        ([f"{path} sha256:0123456789abcdef"], f"give --load {path}"),
        ([str(path)], "only records"),
    ]:
        with pytest.raises(UserError, match=re.escape(message)):
            validated(RunConfig, {"load": records}, "Configuration")
        assert not ran.exists()
    load_parts(path)
    assert ran.exists()
    assert RunConfig(load=recorded()).load == recorded()
    with pytest.raises(UserError, match="another version"):
        validated(RunConfig, {"load": [f"{path} sha256:0123456789abcdef"]}, "Configuration")


def test_another_process_loads_what_this_one_has_or_says_that_it_changed(write):
    path = write(RULE.format("mine", "PRE"))
    load_parts(path)
    config = RunConfig()
    load_recorded(config.load)
    write(RULE.format("mine", "POST"))
    with pytest.raises(UserError, match="another version"):
        load_recorded(config.load)


def test_a_configuration_travels_without_what_was_made_from_a_persons_file():
    config = RunConfig()
    assert config.settings and config.task_options  # made when first asked for
    again = pickle.loads(pickle.dumps(config))
    assert again == config and "settings" not in vars(again) and "task_options" not in vars(again)
    assert again.settings[0].name == config.settings[0].name

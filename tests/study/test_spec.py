from __future__ import annotations

import builtins
import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.methods.registry import METHODS
from zipfit.study.schema import Data, HumanEvalSpec, ModelSpec
from zipfit.study.spec import load_study
from zipfit.training.settings import PRESETS

yaml = pytest.importorskip("yaml")

VALID = {
    "name": "a study",
    "source": "pool.jsonl",
    "target": {"files": "target.jsonl", "rows": [0, 2]},
    "test": {"files": "target.jsonl", "rows": [2, None]},
    "methods": {"zipfit": {}, "random": None},
    "budgets": [2048, None],
    "models": ["smollm2"],
}


@pytest.fixture
def folder(tmp_path):
    for name in ("pool.jsonl", "target.jsonl"):
        (tmp_path / name).write_text('{"text": "a"}\n' * 3)
    return tmp_path


@pytest.fixture
def load(folder):
    def _load(text):
        path = folder / "study.yaml"
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
        return load_study(path)

    return _load


@pytest.fixture
def error_of(load):
    """The message for a study, without the file's name."""

    def _error(text):
        with pytest.raises(ZipfitError) as caught:
            load(text)
        message = str(caught.value)
        assert "study.yaml: " in message
        return message.split("study.yaml: ", 1)[1]

    return _error


def changed(key, value):
    """The valid study with the value under a dotted key replaced."""
    study = copy.deepcopy(VALID)
    place = study
    *path, last = key.split(".")
    for part in path:
        place = place[part]
    place[last] = value
    return study


def arms_of(load, **methods):
    return {arm.name: arm for arm in load(changed("methods", methods)).arms}


def test_the_smallest_study_has_the_defaults(load, folder):
    study = load(VALID)
    assert study.source == (Data(("pool.jsonl",)),)
    assert study.target == (Data(("target.jsonl",), rows=(0, 2)),)
    assert study.test[0].rows == (2, None)
    assert [(arm.name, arm.method, arm.options) for arm in study.arms] == [
        ("zipfit", "zipfit", {}),
        ("random", "random", {}),
    ]
    assert study.budgets == (2048, None)
    assert study.models == (ModelSpec("smollm2", "smollm2"),)
    assert (study.seeds, study.settings) == ((0,), PRESETS["default"])
    assert (study.description, study.evaluate_every, study.humaneval) == ("", None, None)
    assert study.path("pool.jsonl") == str(folder / "pool.jsonl")


def test_everything_can_be_said(load):
    study = load(
        """
        name: full
        description: all of it
        source: {files: ['*.jsonl'], format: jsonl, text_field: a.b, sample_by: line, by: lang, rows: [1, null]}
        target: [target.jsonl, pool.jsonl]
        test: {files: target.jsonl, format: csv, encoding: latin-1, delimiter: "\t", header: false}
        methods: {random: {}}
        budgets: [20000]
        models: [{name: org/Model, label: M, revision: main, trust_remote_code: true}, openai-community/gpt2]
        seeds: [3, 1]
        training: {preset: paper, block_size: 256, learning_rate: 1e-4, weight_decay: 0}
        evaluate_every: 5000
        humaneval: {samples: 10, temperature: 0.8, rows: [82, null]}
        """
    )
    assert study.source == (Data(("*.jsonl",), "jsonl", "a.b", by="lang", rows=(1, None)),)
    assert study.target == (Data(("target.jsonl", "pool.jsonl")),)
    assert study.test == (Data(("target.jsonl",), "csv", encoding="latin-1", delimiter="\t", header=False),)
    assert study.models == (ModelSpec("org/Model", "M", "main", True), ModelSpec("openai-community/gpt2", "gpt2"))
    assert study.seeds == (3, 1)
    assert (study.settings.block_size, study.settings.learning_rate, study.settings.weight_decay) == (256, 1e-4, 0.0)
    assert study.settings.warmup == PRESETS["paper"].warmup
    assert study.humaneval == HumanEvalSpec(10, 0.8, (82, None))
    assert json.loads(json.dumps(study.to_json()))["settings"]["learning_rate"] == 1e-4


def test_data_may_come_in_parts_each_read_its_own_way(load):
    study = load(
        changed(
            "source",
            [
                "pool.jsonl",
                {"files": "hub:org/set:config@train[:5%]", "template": "{a}\n{b}", "label": "set", "rows": [0, 9]},
                {"files": ["hf://datasets/org/set/*.jsonl.zst", "s3://bucket/x.parquet"]},
            ],
        )
    )
    assert study.source == (
        Data(("pool.jsonl",)),
        Data(("hub:org/set:config@train[:5%]",), template="{a}\n{b}", label="set", rows=(0, 9)),
        Data(("hf://datasets/org/set/*.jsonl.zst", "s3://bucket/x.parquet")),
    )
    assert study.path(study.source[1].files[0]) == "hub:org/set:config@train[:5%]"
    assert study.path(study.source[2].files[0]) == "hf://datasets/org/set/*.jsonl.zst"


def test_another_folder_can_be_given_for_the_data(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "study.yaml"
    elsewhere.write_text(yaml.safe_dump(VALID))
    with pytest.raises(ZipfitError, match=r"source: .*pool\.jsonl: no such file or folder .*--data"):
        load_study(elsewhere)
    study = load_study(elsewhere, data=str(folder))
    assert study.path("pool.jsonl") == str(folder / "pool.jsonl")


def test_what_a_study_is_does_not_depend_on_where_it_lies(load, folder):
    assert str(folder) not in json.dumps(load(VALID).to_json())


def test_a_sweep_gives_an_arm_for_each_combination(load):
    arms = arms_of(load, levels={"method": "zipfit", "sweep": {"level": [1, 9], "compressor": ["gzip", "zstd"]}})
    assert list(arms) == [
        "levels level=1 compressor=gzip",
        "levels level=1 compressor=zstd",
        "levels level=9 compressor=gzip",
        "levels level=9 compressor=zstd",
    ]
    arm = arms["levels level=9 compressor=zstd"]
    assert (arm.family, arm.options, arm.swept) == ("levels",) + ({"level": 9, "compressor": "zstd"},) * 2


def test_target_size_score_and_label_can_be_swept_or_set(load):
    arms = arms_of(
        load,
        small={"method": "zipfit", "sweep": {"target_size": [1, None]}},
        above={"method": "zipfit", "sweep": {"min_score": [0.1, 1]}, "budgets": [None]},
        sources={"sweep": {"label": ["lean", "c4"]}},
        one={"label": "c4"},
        dsir={"target_size": 5},
    )
    assert [arms[f"small target_size={size}"].target_size for size in ("1", "all")] == [1, None]
    assert [arms[f"above min_score={score}"].min_score for score in ("0.1", "1")] == [0.1, 1.0]
    assert arms["above min_score=1"].budgets == (None,)
    assert [(arm.label, arm.method) for name, arm in arms.items() if arm.label] == [
        ("lean", None),
        ("c4", None),
        ("c4", None),
    ]
    assert (arms["dsir"].target_size, arms["dsir"].method) == (5, "dsir")


def test_rules_of_choice_can_be_swept_or_set(load):
    arms = arms_of(
        load,
        shares={"method": "zipfit", "sweep": {"max_share": [0.5, None]}},
        once={"method": "cover", "dedup": "near", "dedup_threshold": "9e-1", "min_bytes": 20},
    )
    assert {name: arm.rules for name, arm in arms.items()} == {
        "shares max_share=0.5": {"max_share": 0.5},
        "shares max_share=none": {},
        "once": {"dedup": "near", "dedup_threshold": 0.9, "min_bytes": 20},
    }
    assert arms["shares max_share=none"].swept == {"max_share": None}


def test_shortlists_can_be_swept_or_set(load):
    arms = arms_of(
        load,
        some={"method": "cover", "sweep": {"within": ["zipfit:0.3", None]}},
        once={"method": "cover", "within": ["zipfit:0.5", "random:0.5"]},
    )
    assert {name: arm.within for name, arm in arms.items()} == {
        "some within=zipfit:0.3": ("zipfit:0.3",),
        "some within=none": None,
        "once": ("zipfit:0.5", "random:0.5"),
    }
    assert not arms["once"].is_plain


def test_the_other_ways_to_get_documents(load):
    arms = arms_of(
        load,
        yardstick={"train_on": "target"},
        everything={"train_on": "source", "budgets": [None]},
        levels={"method": "zipfit", "sweep": {"level": [1]}},
        lengths={"lengths_of": "levels level=1"},
    )
    assert [arms[name].train_on for name in ("yardstick", "everything")] == ["target", "source"]
    assert arms["lengths"].lengths_of == "levels level=1"
    assert [arm.method for arm in arms.values()] == [None, None, "zipfit", None]


def test_options_have_the_types_of_the_method(load):
    arm = arms_of(load, cover={"options": {"orders": "3,5", "cost_exponent": "1e-1"}})["cover"]
    assert arm.options == {"orders": "3,5", "cost_exponent": 0.1}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_makes_an_arm_by_its_name(load, name):
    assert arms_of(load, **{name: {}})[name].method == name


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nam", "x", "nam: there is no such key: did you mean name?"),
        ("name", " ", "name: must be text"),
        ("name", 3, "name: must be text, in quotes, not 3"),
        ("source", "nowhere.jsonl", "no such file"),
        ("source", "*.parquet", "matches no file"),
        ("source", "-", "source: a study reads its data several times"),
        ("source", [], "source: must not be empty"),
        ("source", {}, "source: files is missing"),
        ("source", {"files": "pool.jsonl", "text-field": "a"}, "source.text-field: there is no such key: did you mean text_field?"),
        ("source", {"files": "pool.jsonl", "format": "xml"}, "source.format: must be one of jsonl"),
        ("source", {"files": "pool.jsonl", "encoding": "latin-0"}, "source: unknown encoding 'latin-0'"),
        ("source", {"files": "pool.jsonl", "delimiter": "ab"}, "source: a delimiter must be one character"),
        ("source", {"files": "pool.jsonl", "delimiter": 5}, "source.delimiter: must be one character, in quotes"),
        ("source", {"files": "pool.jsonl", "header": "no"}, "source.header: must be true or false"),
        ("source", {"files": "pool.jsonl", "by": "a", "label": "b"}, "source: give by"),
        ("source", {"files": "pool.jsonl", "text_field": "a", "template": "{b}"}, "source: give a text field or a template"),
        ("source", {"files": "pool.jsonl", "template": "b"}, "names no field"),
        ("source", ["pool.jsonl", {"files": 3}], "source.1.files: must be text"),
        ("source", "hub:org/set", "hub:NAME@SPLIT"),
        ("target", {"files": "target.jsonl", "rows": [2, 2]}, "target.rows: holds no document"),
        ("target", {"files": "target.jsonl", "rows": [-1, 2]}, "target.rows.0: must be a whole number of at least 0"),
        ("target", {"files": "target.jsonl", "rows": 5}, "target.rows: must be two numbers"),
        ("methods", {}, "methods: must name at least one"),
        ("methods", ["zipfit"], "methods: must be a mapping"),
        ("methods", {"zipfti": {}}, "methods.zipfti: is not the name of a method"),
        ("methods", {"a": {"method": "zipfti"}}, "methods.a: unknown method 'zipfti'"),
        ("methods", {"a": {"method": ":"}}, "methods.a: method ':'"),
        ("methods", {"a": {"method": "no_such_module:Class"}}, "no_such_module"),
        ("methods", {"zipfit": {"options": {"levl": 6}}}, "methods.zipfit.options.levl: method 'zipfit' has no option 'levl'"),
        ("methods", {"zipfit": {"options": {"level": 6.5}}}, "methods.zipfit.options.level: method 'zipfit': option level takes int, not 6.5"),
        ("methods", {"zipfit": {"options": {"level": True}}}, "option level takes int, not True"),
        ("methods", {"zipfit": {"options": {"level": 99}}}, "methods.zipfit.options.level"),
        ("methods", {"zipfit": {"options": {"compressor": "gzp"}}}, "methods.zipfit.options.compressor"),
        ("methods", {"zipfit": {"options": {"level": [6]}}}, "methods.zipfit.options.level: must be a single value"),
        ("methods", {"zipfit": {"optoins": {}}}, "methods.zipfit.optoins: there is no such key: did you mean options?"),
        ("methods", {"random": {"options": {"seed": 1}}}, "methods.random.options.seed: the study's seeds"),
        ("methods", {"a": {"method": "zipfit", "sweep": {"level": []}}}, "methods.a.sweep.level: must not be empty"),
        ("methods", {"a": {"method": "zipfit", "sweep": {}}}, "methods.a.sweep: must name what to sweep"),
        ("methods", {"a": {"method": "zipfit", "sweep": {"level": [1, 1]}}}, "methods.a.sweep.level: holds 1 twice"),
        ("methods", {"a": {"method": "zipfit", "sweep": {"level": [1, 99]}}}, "methods.a.sweep.level.1"),
        ("methods", {"zipfit": {"options": {"level": 1}, "sweep": {"level": [1]}}}, "level is both swept and set"),
        ("methods", {"a": {"method": "zipfit", "train_on": "target"}}, "methods.a: method and train_on exclude"),
        ("methods", {"a": {"train_on": "test"}}, "methods.a.train_on: must be one of target, source"),
        ("methods", {"a": {"train_on": "target", "options": {"level": 1}}}, "methods.a.options.level: level is an option of a method"),
        ("methods", {"a": {"train_on": "target", "min_score": 1}}, "methods.a.min_score: belongs to a method"),
        ("methods", {"d4": {"min_score": 0.5}}, "methods.d4.min_score: method 'd4' ranks"),
        ("methods", {"zipfit": {"min_score": "high"}}, "methods.zipfit.min_score: must be a number"),
        ("methods", {"zipfit": {"target_size": 0}}, "methods.zipfit.target_size: must be a whole number of at least 1"),
        ("methods", {"zipfit": {"dedup": "fuzzy"}}, "methods.zipfit.dedup: must be one of exact, near, not 'fuzzy'"),
        ("methods", {"zipfit": {"dedup_threshold": 0.5}}, "methods.zipfit.dedup_threshold: belongs to dedup: near"),
        ("methods", {"zipfit": {"dedup": "near", "dedup_threshold": 2}}, "methods.zipfit.dedup_threshold: the similarity threshold"),
        ("methods", {"zipfit": {"max_share": 1.5}}, "methods.zipfit.max_share: max-share must be above 0 and at most 1, not 1.5"),
        ("methods", {"zipfit": {"min_bytes": 9, "max_bytes": 8}}, "methods.zipfit.max_bytes: max-bytes (8) is below min-bytes (9)"),
        ("methods", {"zipfit": {"within": "gain"}}, "methods.zipfit.within: within 'gain': write METHOD:SHARE, as in zipfit:0.3"),
        ("methods", {"zipfit": {"within": ["gain:0.5", "gain:2"]}}, "methods.zipfit.within.1: the share of a shortlist must be above 0 and at most 1, not 2.0"),
        ("methods", {"zipfit": {"within": "evil:Class:0.5"}}, "methods.zipfit.within: method 'evil:Class' would run the code of the module evil"),
        ("methods", {"zipfit": {"sweep": {"within": ["evil:Class:0.5"]}}}, "methods.zipfit.sweep.within: method 'evil:Class' would run the code of the module evil"),
        ("methods", {"zipfit": {"min_bytes": -1}}, "methods.zipfit.min_bytes: must be a whole number of at least 0"),
        ("methods", {"a": {"label": "c4", "max_share": 0.1}}, "methods.a.max_share: belongs to a method"),
        ("methods", {"zipfit": {"sweep": {"max_share": [0.5, 2]}}}, "methods.zipfit.sweep.max_share.1: max-share must be"),
        ("methods", {"zipfit": {}, "l": {"lengths_of": "zipft"}}, "methods.l.lengths_of: there is no arm 'zipft': there are zipfit"),
        ("methods", {"l": {"lengths_of": "l"}}, "methods.l.lengths_of: 'l' has its lengths"),
        ("methods", {"zipfit": {"budgets": [100]}}, "methods.zipfit.budgets: 100 tokens are less than one block"),
        ("methods", {"a": {"label": 2024}}, "methods.a.label: must be text, in quotes, not 2024"),
        ("methods", {"zipfit level=1": {"method": "zipfit"}, "zipfit": {"sweep": {"level": [1]}}}, "has the name of another"),
        ("methods", {1: {"method": "zipfit"}}, "methods: the key 1 must be text"),
        ("budgets", [], "budgets: must not be empty"),
        ("budgets", 20000, "budgets: must be a list"),
        ("budgets", [1023], "budgets: 1023 tokens are less than one block of training.block_size 1024"),
        ("budgets", [2048, 2048], "budgets: holds 2048 twice"),
        ("budgets", [True], "budgets.0: must be a whole number"),
        ("models", [], "models: must not be empty"),
        ("models", [{"label": "a"}], "models.0: name is missing"),
        ("models", ["a/gpt2", "b/gpt2"], "models.1: there are two models of the label gpt2"),
        ("models", ["./nowhere"], "models.0: ./nowhere: no such file or folder"),
        ("models", [{"name": "gpt2", "trust_remote_code": "yes"}], "models.0.trust_remote_code: must be true or false"),
        ("seeds", [-1], "seeds.0: must be a whole number of at least 0"),
        ("training", {"preset": "papr"}, "training.preset: must be one of default"),
        ("training", {"learning_rat": 1}, "training.learning_rat: there is no such key: did you mean learning_rate?"),
        ("training", {"learning_rate": "fast"}, "training: learning_rate must be a float"),
        ("training", {"epochs": 0}, "training: epochs must be at least 1"),
        ("evaluate_every", 0, "evaluate_every: must be a whole number of at least 1"),
        ("humaneval", {"samples": 5}, "humaneval: at temperature 0 the 5 samples would be the same"),
        ("humaneval", {"temperature": -1}, "humaneval.temperature: must be a number of at least 0"),
    ],
)  # fmt: skip
def test_errors_name_the_key_and_what_is_wanted(error_of, key, value, message):
    assert message in error_of(changed(key, value))


@pytest.mark.parametrize("key", VALID)
def test_what_a_study_cannot_do_without(error_of, key):
    assert error_of({name: value for name, value in VALID.items() if name != key}) == f"{key} is missing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "line 2: the key 'name' stands there a second time"),
        ("methods:\n  zipfit: {}\n  zipfit: {}\n", "line 3: the key 'zipfit'"),
        ("name: [a\nb: c", "line 2: "),
        ("name: a\n\tb: c", "line 2: "),
        ("", "name is missing"),
        ("- a\n", "must be a mapping"),
        ("? [a]\n: b\n", "line 1: found unhashable key"),
        ("name: 2001-13-45\n", "is not YAML that can be read"),
        ("name: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
        ("[" * 5000, "is not YAML that can be read"),
        ("name: a\n---\nname: b\n", "line 2: "),
    ],
)  # fmt: skip
def test_what_is_no_such_yaml_is_told_by_line(error_of, text, message):
    assert message in error_of(text)


def test_a_merge_key_may_be_overridden(load):
    text = yaml.safe_dump(VALID | {"methods": None}).replace("methods: null\n", "")
    study = load(
        text
        + "methods:\n  a: &a {method: zipfit, options: {level: 1}}\n  b: &b {<<: *a, options: {level: 9}}\n"
        + "  c: {<<: *b, target_size: 3}\n"
    )
    assert [arm.options["level"] for arm in study.arms] == [1, 9, 9]


def test_a_file_that_cannot_be_read(folder):
    with pytest.raises(ZipfitError, match=r"none\.yaml: No such file"):
        load_study(folder / "none.yaml")
    (folder / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ZipfitError, match=r"latin\.yaml: is not UTF-8"):
        load_study(folder / "latin.yaml")
    (folder / "nul.yaml").write_bytes(b"name: a\x00\n")
    with pytest.raises(ZipfitError, match=r"nul\.yaml: is not YAML"):
        load_study(folder / "nul.yaml")


def test_a_local_model_is_found_beside_the_study(load, folder):
    (folder / "tiny.gguf").write_bytes(b"")
    study = load(changed("models", ["./", "tiny.gguf", "org/name"]))
    paths = [study.model_path(model) for model in study.models]
    assert [Path(path) for path in paths] == [folder, folder / "tiny.gguf", Path("org/name")]


def test_a_library_that_is_missing_here_does_not_make_a_study_invalid(load, monkeypatch):
    importing = builtins.__import__

    def without_brotli(name, *args, **kwargs):
        if name == "brotli":
            raise ImportError
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_brotli)
    assert arms_of(load, zipfit={"options": {"compressor": "brotli"}})


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 5000), st.floats(), st.dates(), st.binary(max_size=3),
    st.text(max_size=8), st.sampled_from([*METHODS, "pool.jsonl", "target", "source", "default", "hub:a@b", "a:b", "1e-4"]),
)  # fmt: skip
WORDS = """
name description source target test methods budgets models seeds training evaluate_every humaneval files format
within dedup dedup_threshold max_share min_bytes max_bytes text_field template sample_by encoding delimiter header by label rows method options sweep train_on lengths_of min_score target_size level
compressor zipfit random d4 cover preset block_size learning_rate samples temperature revision seed
"""
KEYS = st.one_of(st.sampled_from(WORDS.split()), st.text(max_size=5), st.integers(0, 3))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def study_or_error(folder: Path, text: str) -> None:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    message = None
    study = None
    try:
        study = load_study(path)
    except ZipfitError as error:
        message = str(error)
    if study is None:
        assert message is not None
        assert message.startswith(str(path))
    else:
        json.dumps(study.to_json())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_mapping_is_a_study_or_an_error(folder, changes):
    study_or_error(folder, yaml.safe_dump(VALID | changes, sort_keys=False))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(family=st.dictionaries(KEYS, VALUES, max_size=4), name=st.sampled_from(["zipfit", "cover", "own"]))
def test_any_family_is_an_arm_or_an_error(folder, family, name):
    study_or_error(folder, yaml.safe_dump(VALID | {"methods": {name: family, "random": {}}}, sort_keys=False))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="ab:-[]{}?&*!|>'\"#%@ \n\t\0\ud800<1.,", max_size=30))
def test_any_text_is_a_study_or_an_error(folder, text):
    study_or_error(folder, text)

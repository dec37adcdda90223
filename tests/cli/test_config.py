"""A selection's options in a file: as if they were typed, with consent to what a stranger may have written."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import COMMAND, pool_records, read_jsonl, write_jsonl

import zipfit as package
from zipfit.methods.registry import METHODS

TYPED = ["select", "pool.jsonl", "-t", "target.jsonl", "-q"]


@pytest.fixture
def same(zipfit, folder):
    """Whether a file's options give the same bytes as options that are typed, all records and what lies beside them."""

    def check(name: str, text: str, *typed: object) -> None:
        (folder / name).write_text(text, encoding="utf-8")
        assert zipfit("select", "--config", name, "-o", "filed.jsonl", "-q").err == ""
        assert zipfit(*TYPED, *typed, "-o", "typed.jsonl").err == ""
        assert (folder / "filed.jsonl").read_bytes() == (folder / "typed.jsonl").read_bytes()

    return check


def test_options_of_every_kind_in_yaml(same):
    text = """
        pool: pool.jsonl
        target: [target.jsonl]
        top: 7
        fraction: 0.5
        tokens: 4000
        tokenizer: bytes
        min-score: -1
        method: mmr
        param: [level=3, redundancy=0.25]
        within: "zipfit,level=9:0.6"
        max-share: "source=0.5"
        no-fields: true
        racing: false
        delimiter: "\\t"
        """
    same(
        "job.yaml", text, "--top", 7, "--fraction", 0.5, "--tokens", 4000, "--tokenizer", "bytes", "--min-score", -1,
        "-m", "mmr", "-p", "level=3", "-p", "redundancy=0.25", "--within", "zipfit,level=9:0.6",
        "--max-share", "source=0.5", "--no-fields", "--delimiter", "\t",
    )  # fmt: skip


def test_options_in_toml(same):
    text = """
        # what fits the task
        pool = ["pool.jsonl"]
        target = "target.jsonl"
        top = 7
        min-score = 0.1
        compressor = "zstd"
        level = 3
        """
    same("job.toml", text, "--top", 7, "--min-score", 0.1, "-c", "zstd", "-l", 3)


def test_a_whole_selection(zipfit, folder):
    (folder / "job.yaml").write_text("pool: pool.jsonl\ntarget: target.jsonl\ntop: 3\noutput: out.jsonl\nquiet: true\n")
    ran = zipfit("select", "--config", "job.yaml")
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert len(read_jsonl(folder / "out.jsonl")) == 3
    ran = zipfit("select", "--config", "job.yaml")
    assert (
        ran.err
        == "zipfit: error: out.jsonl: exists already (give --overwrite, or overwrite=True in Python, to replace it)\n"
    )
    assert zipfit("select", "--config", "job.yaml", "--overwrite").status == 0
    (folder / "cuts.yaml").write_text("pool: pool.jsonl\ntarget: target.jsonl\ncut: [a.jsonl=top=2, b.jsonl=top=4]\n")
    assert zipfit("select", "-q", "--config", "cuts.yaml").status == 0
    assert len(read_jsonl(folder / "b.jsonl")) == 4


def test_what_is_typed_wins(zipfit, folder):
    write_jsonl(folder / "other.jsonl", pool_records(seed=5))
    (folder / "job.yaml").write_text("pool: [pool.jsonl, none.jsonl]\ntarget: target.jsonl\ntop: 3\nmethod: gain\n")
    arguments = ("other.jsonl", "--top", 5, "-m", "cover", "-o", "filed.jsonl", "-q")
    assert zipfit("select", "--config", "job.yaml", *arguments).err == ""
    assert zipfit("select", *arguments[:-3], "-o", "typed.jsonl", "-t", "target.jsonl", "-q").err == ""
    assert (folder / "filed.jsonl").read_bytes() == (folder / "typed.jsonl").read_bytes()


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_place_of_the_option_says_nothing(zipfit, folder, place):
    (folder / "job.yaml").write_text("pool: pool.jsonl\ntarget: target.jsonl\ntop: 3\n")
    option, others = ["--config", "job.yaml"], ["--top", 2, "-o", "out.jsonl", "-q"]
    assert zipfit("select", *(option + others if place == "first" else others + option)).status == 0
    assert len(read_jsonl(folder / "out.jsonl")) == 2


def test_paths_are_relative_to_where_the_command_runs(zipfit, folder):
    (folder / "jobs").mkdir()
    (folder / "jobs" / "job.yaml").write_text("pool: pool.jsonl\ntarget: target.jsonl\noutput: out.jsonl\ntop: 3\n")
    assert zipfit("select", "--config", "jobs/job.yaml", "-q").status == 0
    assert (folder / "out.jsonl").exists()


def test_scores_are_cut_by_a_file(zipfit, folder):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "scores/", "-q").status == 0
    (folder / "job.yaml").write_text("scores: scores/\ntop: 3\noutput: out.jsonl\n")
    assert zipfit("select", "--config", "job.yaml", "-q").status == 0
    for line, option in (("method: gain", "--method"), ("pool: pool.jsonl", "the source")):
        (folder / "job.yaml").write_text(f"scores: scores/\ntop: 3\noutput: other.jsonl\n{line}\n")
        ran = zipfit("select", "--config", "job.yaml")
        assert (ran.status, ran.out) == (2, "")
        assert f"error: {option} is settled when the pool is scored" in ran.err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "top: 3\ntpo: 3", "a.yaml: line 2: tpo: there is no such option: did you mean top?"),
        ("a.yaml", "min_score: 3", "a.yaml: line 1: min_score: there is no such option: did you mean min-score?"),
        ("a.yaml", "zzzz: 3", "a.yaml: line 1: zzzz: there is no such option: see zipfit select --help"),
        ("a.yaml", "k: 3", "a.yaml: line 1: k: there is no such option"),
        ("a.yaml", "top: 3\n\ntop: 4", "a.yaml: line 3: the key 'top' stands there a second time"),
        ("a.yaml", "top: '3'", "a.yaml: line 1: top: must be a whole number, not '3'"),
        ("a.yaml", "top: true", "a.yaml: line 1: top: must be a whole number, not True"),
        ("a.yaml", "top: 3.0", "a.yaml: line 1: top: must be a whole number, not 3.0"),
        ("a.yaml", "top:", "a.yaml: line 1: top: must be a whole number, not null"),
        ("a.yaml", "fraction: [1]", "a.yaml: line 1: fraction: must be a number, not [1]"),
        ("a.yaml", "fraction: .nan", "a.yaml: line 1: fraction: must be a number, not nan"),
        ("a.yaml", "racing: 'yes'", "a.yaml: line 1: racing: must be true or false, not 'yes'"),
        ("a.yaml", "max-share: 0.5", "a.yaml: line 1: max-share: must be text, in quotes, not 0.5"),
        ("a.yaml", "by: null", "a.yaml: line 1: by: must be text, in quotes, not null"),
        ("a.yaml", "pool: [a, 1]", "a.yaml: line 1: pool.1: must be text, in quotes, not 1"),
        ("a.yaml", "pool: {a: b}", "a.yaml: line 1: pool: must be text, in quotes, not {'a': 'b'}"),
        ("a.yaml", 'pool: "a\\0"', "a.yaml: line 1: pool: 'a\\x00' holds what no command line can"),
        ("a.yaml", 'pool: "\\ud800"', "a.yaml: line 1: pool: '\\ud800' holds what no command line can"),
        ("a.yaml", "overwrite: true", "a.yaml: line 1: overwrite: is taken from the command line alone"),
        ("a.yaml", "allow-code: [os]", "a.yaml: line 1: allow-code: is taken from the command line alone"),
        ("a.yaml", "config: b.yaml", "a.yaml: line 1: config: is taken from the command line alone"),
        ("a.yaml", "address: evil:1", "a.yaml: line 1: address: is taken from the command line alone"),
        ("a.yaml", "top: [1", "a.yaml: line 1: expected ',' or ']'"),
        ("a.yaml", "- top", "a.yaml: must be a mapping, not ['top']"),
        ("a.yaml", "1: top", "a.yaml: the key 1 must be text (write it in quotes)"),
        ("a.toml", "tpo = 3", "a.toml: line 1: tpo: there is no such option: did you mean top?"),
        ("a.toml", "top = 3\nmethod = 4", "a.toml: line 2: method: must be text, in quotes, not 4"),
        ("a.toml", "[[pool]]\na = 1", "a.toml: line 1: pool.0: must be text, in quotes, not {'a': 1}"),
        ("a.toml", 'method = """\ntop = 1\n"""\ntop = "x"', "a.toml: top: must be a whole number, not 'x'"),
        ("a.toml", "by = 2024-01-01", "a.toml: line 1: by: must be text, in quotes, not datetime.date(2024, 1, 1)"),
        ("a.toml", "top = ", "a.toml: is not TOML that can be read (Invalid value (at line 1, column 7))"),
        ("a.toml", f"top = {'9' * 5000}", "a.toml: is not TOML that can be read (Exceeds the limit"),
        ("a.toml", f"top = {'[' * 50_000}", "a.toml: is not TOML that can be read ("),
        ("a.json", "{}", "a.json: options are read from a file in YAML or TOML: name it .yaml or .toml"),
        ("none/a.yaml", None, "none/a.yaml: No such file or directory"),
        ("none/a.toml", None, "none/a.toml: No such file or directory"),
        ("a.toml", b"top = \xff", "a.toml: is not UTF-8 text"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_file_and_line(zipfit, folder, name, text, message):
    if text is not None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = zipfit("select", "--config", name, *TYPED[1:], "-o", "out.jsonl", "--top", 2)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"zipfit: error: {message}")
    assert ran.err.count("\n") == 1
    assert not (folder / "out.jsonl").exists()


OWN = """
from dataclasses import dataclass
from pathlib import Path

Path("imported").touch()


@dataclass
class Shortest:
    power: float = 1.0

    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return [-(len(text) ** self.power) for text in texts]
"""


def test_a_key_twice_in_toml_is_told_by_its_line(zipfit, folder):
    (folder / "a.toml").write_text("top = 3\ntop = 4")
    ran = zipfit("select", "--config", "a.toml", *TYPED[1:], "-o", "out.jsonl")
    assert ran.status == 2
    assert ran.err.endswith(" overwrite a value (at line 2, column 8))\n")


def test_a_long_line_takes_no_long_time(zipfit, folder):
    (folder / "a.toml").write_text(f"{' ' * 200_000}\n{'a' * 200_000} = 1\ntop{' ' * 200_000}= 'x'")
    ran = zipfit("select", "--config", "a.toml", *TYPED[1:], "-o", "out.jsonl")
    assert ran.status == 2
    assert "there is no such option" in ran.err


@pytest.mark.parametrize(
    "named",
    [
        "method: own_filed:Shortest",
        "within: [own_filed:Shortest:0.5]",
        "method: distilled\nparam: [sample=20, teacher=own_filed:Shortest]",
        "method: distilled\nparam: ['teacher=distilled,sample=20,teacher=own_filed:Shortest', sample=20]",
        "within: ['zipfit:0.9', 'distilled,sample=20,teacher=own_filed:Shortest:0.5']",
        "report: page.html\nreport-against: own_filed:Shortest",
        "report: page.html\nreport-against: [random, 'gain within own_filed:Shortest:0.5']",
        "report: page.html\nreport-against: ['distilled,sample=20,teacher=own_filed:Shortest']",
    ],
)
def test_a_file_runs_no_code_without_consent(zipfit, folder, monkeypatch, named):
    (folder / "own_filed.py").write_text(OWN)
    (folder / "job.yaml").write_text(f"pool: pool.jsonl\ntarget: target.jsonl\ntop: 3\n{named}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "own_filed", raising=False)
    ran = zipfit("select", "--config", "job.yaml", "-o", "out.jsonl")
    assert (ran.status, ran.out) == (2, "")
    assert "method 'own_filed:Shortest' would run the code of the module own_filed" in ran.err
    assert "--allow-code own_filed" in ran.err
    assert not (folder / "imported").exists()
    ran = zipfit("select", "--config", "job.yaml", "-o", "out.jsonl", "-q", "--allow-code", "own_filed")
    assert (ran.status, ran.err) == (0, "")


def test_what_is_typed_needs_no_consent(zipfit, folder, monkeypatch):
    (folder / "own_filed.py").write_text(OWN)
    (folder / "job.yaml").write_text("pool: pool.jsonl\ntarget: target.jsonl\nmethod: evil:Class\nparam: [power=2]\n")
    monkeypatch.syspath_prepend(folder)
    typed = ("--top", 3, "-q", "-m", "own_filed:Shortest", "-o", "out.jsonl")
    assert zipfit("select", "--config", "job.yaml", *typed).err == ""
    assert zipfit("config", "out.manifest.json").err.endswith("(in Python: allow_code=['own_filed'])\n")
    ran = zipfit("config", "out.manifest.json", "--allow-code", "own_filed")
    assert yaml.safe_load(ran.out)["param"] == ["power=2.0"]
    (folder / "own_filed.py").write_text(OWN.replace("@dataclass", ""))
    monkeypatch.delitem(sys.modules, "own_filed")
    ran = zipfit("config", "out.manifest.json", "--allow-code", "own_filed")
    assert (ran.status, ran.out) == (2, "")


@pytest.mark.parametrize(
    "options",
    [
        ("--top", 7),
        ("--fraction", 0.3, "--order", "source", "--no-fields"),
        ("--min-score", 0.2, "-c", "zstd", "-l", 3),
        ("--tokens", 900, "--tokenizer", "bytes", "--threads", 1),
        ("--top", 50, "--allow-fewer", "--min-bytes", 60, "--max-bytes", 150),
        ("--top", 7, "-m", "cover", "-p", "weights=contrast"),
        ("--top", 7, "-m", "mmr", "-p", "level=3"),
        ("--top", 7, "-m", "gain", "-p", "leave_one_out=true"),
        ("--top", 7, "-m", "bm25", "-p", "reduce=max"),
        ("--top", 7, "-m", "dsir", "--seed", 3, "-p", "min_length=1"),
        ("--top", 7, "-m", "random", "--seed", 5),
        ("--top", 7, "-m", "distilled", "-p", "sample=20", "-p", "teacher=gain,level=5,leave_one_out=true"),
        ("--top", 7, "-m", "auto"),
        ("--top", 7, "--racing", "--confidence", 3.5, "--seed", 1),
        ("--top", 7, "-m", "cover", "--within", "gain,level=5,leave_one_out=true:0.9", "--within", "zipfit:0.4"),
        ("--top", 9, "--dedup", "exact", "--max-share", "source=0.5"),
        ("--top", 9, "--dedup", "near", "--dedup-threshold", 0.6, "--by", "id"),
        ("--top", 9, "--exclude", "tests.jsonl", "--check", "target.jsonl", "--overlap", "4-gram"),
        ("--top", 9, "--exclude", "tests.jsonl", "--exclude", "target.jsonl", "--overlap", "exact"),
        ("--top", 9, "--convert", "text", "--skip-bad"),
        ("--top", 9, "--template", "{source}\\n{text}: 数", "--target-field", "text"),
        ("--top", 9, "--format", "jsonl", "--target-format", "jsonl", "--no-role-labels", "--roles", "user"),
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_a_manifest_becomes_a_file_that_gives_the_same_bytes(zipfit, folder, options):
    write_jsonl(folder / "tests.jsonl", pool_records(3))
    write_jsonl(folder / "pool.jsonl", [*pool_records(), *pool_records(9)])
    ran = zipfit(*TYPED, *options, "-o", "out.jsonl")
    assert (ran.status, ran.err) == (0, "")
    made = zipfit("config", "out.manifest.json")
    assert (made.status, made.err) == (0, "")
    assert made.out.isascii()
    (folder / "again.yaml").write_text(made.out)
    assert "exists already" in zipfit("select", "--config", "again.yaml").err
    assert zipfit("select", "--config", "again.yaml", "-o", "again.jsonl", "-q").err == ""
    assert zipfit("verify", "again.manifest.json").status == 0
    for path in folder.glob("out.jsonl*"):
        assert (folder / path.name.replace("out", "again")).read_bytes() == path.read_bytes()
    assert zipfit("config", "again.manifest.json").out == made.out.replace("out.jsonl", "again.jsonl")


def test_shards_other_readings_and_other_folders(zipfit, folder, monkeypatch):
    rows = "".join(f"{record['id']};{record['text']}\n" for record in pool_records())
    (folder / "po[o]l 数.csv").write_text(rows, encoding="utf-16")
    select = ["select", "po[o]l 数.csv", "-t", "target.jsonl", "--top", 7, "-q", "--delimiter", ";", "--no-header",
              "--encoding", "utf-16", "--template", "{1}"]  # fmt: skip
    assert zipfit(*select, "-o", "out", "--shard-bytes", "1KB", "--shard-records", 2).err == ""
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    (folder / "elsewhere" / "job.yaml").write_text(zipfit("config", "../out.manifest.json").out)
    assert zipfit("select", "--config", "job.yaml", "-q").err == ""
    shards = sorted(path.name for path in (folder / "out").iterdir())
    assert len(shards) > 3
    assert sorted(path.name for path in (folder / "elsewhere" / "out").iterdir()) == shards
    for name in shards:
        assert (folder / "out" / name).read_bytes() == (folder / "elsewhere" / "out" / name).read_bytes()


def test_scores_that_were_cut_become_a_selection_of_the_pool(zipfit, folder):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "scores/", "-m", "cover", "-q").status == 0
    assert zipfit("select", "--scores", "scores/", "--top", 5, "-o", "out.jsonl", "-q").status == 0
    (folder / "again.yaml").write_text(zipfit("config", "out.manifest.json").out)
    assert zipfit("select", "--config", "again.yaml", "-o", "again.jsonl", "-q").err == ""
    assert (folder / "out.jsonl").read_bytes() == (folder / "again.jsonl").read_bytes()


def test_what_no_file_can_say_is_told(zipfit, folder):
    texts = [record["text"] for record in pool_records()]
    package.select(texts, "target.jsonl", top=3).save("held.jsonl")
    package.select("pool.jsonl", "target.jsonl", top=3).save("converted.jsonl", convert="text")
    package.select("pool.jsonl", "target.jsonl", top=3, exclude=package.Files(["pool.jsonl"], "text")).save("two.jsonl")
    for name, message in (
        ("held", "the source came from Python objects, not files, so it cannot be read again"),
        ("converted", "converted.manifest.json: records were converted for another output"),
        ("two", "two.manifest.json: exclude was read otherwise than the target"),
    ):
        ran = zipfit("config", f"{name}.manifest.json")
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"zipfit: error: {message}")
    assert zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 3, "-m", "gain", "-o", "out.jsonl").status == 0
    manifest = json.loads((folder / "out.manifest.json").read_text())
    for method, message in (
        ({"class": "zipfit.methods.within:Within", "options": {}}, "method 'zipfit.methods.within:Within': "),
        ({"class": "subprocess:Popen", "options": {"args": ["touch", "x"]}}, "method 'subprocess:Popen' would run"),
        ({"class": METHODS["dsir"], "options": {"proportions": ["a=1,b", "c"]}}, "m.json: not all options of dsir can"),
        ({"class": "own:Class", "options": None}, "method 'own:Class' would run the code"),
        ({"class": "zipfit.methods.gain:Gain", "options": None}, "m.json: the options of zipfit.methods.gain:Gain are"),
    ):
        (folder / "m.json").write_text(json.dumps({**manifest, "method": method}))
        ran = zipfit("config", "m.json")
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"zipfit: error: {message}")


@pytest.mark.parametrize("typed", ["--to", "--config no.yaml --to", "--config bad.yaml --to"])
def test_a_shell_completes_as_ever(folder, typed):
    (folder / "bad.yaml").write_text("nothing: [")
    words = f"zipfit select {typed}"
    environment = {
        **os.environ,
        "_ZIPFIT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = "import sys; sys.argv = ['zipfit']\n" + COMMAND[2]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "--tokens" in ran.stdout.split()
    assert ran.stderr == ""


KEYS = [
    *[
        "pool",
        "target",
        "top",
        "fraction",
        "method",
        "param",
        "within",
        "max-share",
        "racing",
        "delimiter",
        "level",
        "nothing",
    ],
    "",
    "é",
]
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 5000), st.floats(), st.dates(), st.binary(max_size=3),
        st.text(max_size=8), st.sampled_from([*METHODS, "pool.jsonl", "a:b", "zipfit:0.5", "level=3", "1e-4"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3))
def test_any_mapping_is_a_selection_or_an_error(zipfit, folder, changes):
    text = yaml.safe_dump({"pool": "pool.jsonl", "target": "target.jsonl", "top": 2} | changes, allow_unicode=True)
    (folder / "job.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    ran = zipfit("select", "--config", "job.yaml", "-o", "-", "-q", "--tokenizer", "bytes")
    assert ran.status in (0, 2)
    assert (ran.err == "") == (ran.status == 0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000))
def test_any_text_is_toml_or_an_error(zipfit, folder, seed):
    pieces = [
        "top",
        "pool",
        "=",
        "=",
        "\n",
        '"',
        '"""',
        "'",
        "[",
        "]",
        "[[",
        "3",
        "1e9",
        "{",
        "}",
        ".",
        "\0",
        "\\u0000",
        "#",
    ]
    (folder / "job.toml").write_text("".join(random.Random(seed).choices(pieces, k=12)))
    ran = zipfit("select", "--config", "job.toml", "-o", "-")
    assert ran.status == 2
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("name", "content"), [("job.yaml", ""), ("job.yaml", "# none\n"), ("job.toml", ""), ("job.yaml", "{}")]
)
def test_a_file_without_options_is_an_error(zipfit, folder, name, content):
    (folder / name).write_text(content)
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--config", name, "-k", "3", "-o", "out.jsonl")
    assert (ran.status, ran.err) == (2, f"zipfit: error: {name}: holds no options\n")

"""Configurations: found by name or path, and every mistake in one is a line that says where."""

from pathlib import Path

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphago import configs
from alphago.commands.bench_config import BenchConfig
from conftest import ROOT


class Inner(pydantic.BaseModel, extra="forbid"):
    blocks: int = 6
    channels: int = pydantic.Field(default=96, ge=1)


class Outer(pydantic.BaseModel, extra="forbid"):
    model: Inner = Inner()
    seconds: float


def test_names_are_the_files_of_the_folder() -> None:
    assert configs.names() == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    assert "bench" in configs.names()


def test_bench_fits_its_model() -> None:
    bench = configs.load("bench", BenchConfig)
    assert bench.playouts.sizes == [9, 19]
    assert bench.features.positions == 512


def test_every_configuration_says_what_it_promises() -> None:
    """The head comment names the time or speed and the command."""
    for name in configs.names():
        head = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[:5]
        comment = " ".join(line for line in head if line.startswith("#"))
        assert "Command" in comment, name
        assert "cores" in comment, name


def test_a_path_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: {blocks: 2}\nseconds: 1.5\n", encoding="utf-8")
    assert configs.load(path, Outer) == Outer(model=Inner(blocks=2), seconds=1.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {blokcs: 6}\nseconds: 1", "unknown key model.blokcs (did you mean model.blocks?)"),
        ("secnods: 1", "unknown key secnods (did you mean seconds?) (and 1 more)"),
        ("seconds: 1\nzzz: 2", "unknown key zzz"),
        ("model: {blocks: 6}", "seconds is missing"),
        ("seconds: soon", "seconds: input should be a valid number, unable to parse string as a number, got 'soon'"),
        ("seconds: 1\nmodel: {channels: 0}", "model.channels: input should be greater than or equal to 1, got 0"),
        ("- 1\n- 2", "expected keys and values at the top, got [1, 2]"),
        ("", "seconds is missing"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(configs.ConfigError) as caught:
        configs.load(path, Outer)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("seconds: 1\nmodel: {blocks: 1", ":2:18", "expected ',' or '}', but got '<stream end>'"),
        ("seconds: 1\nseconds: 2", ":2:1", "key seconds stands twice"),
        ("a: 1\n\tb: 2", ":2:1", "found character '\\t' that cannot start any token"),
        ("a: !!python/object/apply:os.getcwd []", ":1:4", "could not determine a constructor for the tag"),
    ],
)
def test_mistakes_in_the_yaml_name_the_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(configs.ConfigError) as caught:
        configs.load(path, Outer)
    assert str(caught.value).startswith(f"{path}{place}: {message}")


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(
        configs.ConfigError, match=r"no configuration 'bnech' \(did you mean bench\?\); known are .*bench"
    ):
        configs.find("bnech")


@pytest.mark.parametrize("path", ["nowhere.yaml", "some/where", "/nowhere/x.yml"])
def test_paths_that_are_not_there(path: str) -> None:
    with pytest.raises(configs.ConfigError, match="no such file"):
        configs.find(path)


def test_not_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"seconds: \xff\xfe")
    with pytest.raises(configs.ConfigError, match=r"c\.yaml: not a text file in UTF-8 \(byte 9\)"):
        configs.load(path, Outer)


def test_deep_nesting_does_not_crash(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(configs.ConfigError, match="c\\.yaml"):
        configs.load(path, Outer)


@given(text=st.text(alphabet=st.sampled_from("ab:{}[]-,#&*!|>'\"%@\n\t 0~<?"), max_size=40))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(configs.ConfigError) as caught:  # none of these texts can hold the key `seconds`
        configs.load(path, Outer)
    assert "\n" not in str(caught.value)

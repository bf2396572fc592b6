"""The generated reference of split.yaml."""

import yaml

from config import reference
from config.load import config_schema, parse_config


def test_the_pages_in_docs_are_up_to_date():
    assert reference.main(["--check"]) == 0


def test_a_page_that_is_out_of_date_fails_the_check(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(reference, "_DOCS", tmp_path)
    assert reference.main(["--check"]) == 1
    assert "config.md: is out of date; run `python -m config.reference`" in capsys.readouterr().err


def test_the_check_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "_DOCS", tmp_path)
    reference.main(["--check"])
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_passes_the_check(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "_DOCS", tmp_path / "docs")
    reference.main([])
    assert reference.main(["--check"]) == 0


def test_every_key_is_in_the_reference():
    schema = config_schema()
    keys = {key for part in (schema, *schema["$defs"].values()) for key in part["properties"]}
    text = reference.reference_markdown()
    assert sorted(key for key in keys if f"| `{key}` |" not in text) == []


def test_the_example_is_valid(tmp_path):
    assert parse_config(yaml.safe_load(reference.EXAMPLE), base=tmp_path).name == "forum-split"

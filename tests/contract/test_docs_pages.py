"""The pages of docs/ and the README: generated ones are current, and nothing in them is made up."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES, PROCESSES, sentences_of
from schemas.dead_letters import DeadLetterReason
from schemas.outcomes import Outcome
from service.metric_names import all_metrics
from service.settings import ServiceSettings, environment_name

_ROOT = Path(__file__).parents[2]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]

_NO_SETTINGS = {
    "LEAKY_GATEWAY_URL",  # `leaky run` leaves it in run.env, for people
    "LEAKY_SUPERVISED_BY",  # how `leaky run` finds the processes of a dead supervisor
}

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)`")
_VARIABLE = re.compile(r"LEAKY_[A-Z_]*[A-Z](?!_?…)\b")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    """The fragments that a page's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _documented_variables() -> set[str]:
    return {
        environment_name(name)
        for process in PROCESSES
        for model in process.settings
        for name in model.model_fields
    }


def _settings_models(model: type[ServiceSettings]) -> set[type[ServiceSettings]]:
    below = {model for each in model.__subclasses__() for model in _settings_models(each)}
    return {model} | below


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_page_is_current(name: str) -> None:
    assert _text(_ROOT / "docs" / name) == PAGES[name](), "run python -m docs.generate"


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_text(page)):
        place, _, fragment = target.partition("#")
        linked = page if not place else (page.parent / place)
        if "://" in target:
            continue
        if not linked.exists() or (fragment and fragment not in _anchors(linked)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_the_page_names_no_file_that_is_not_there(page: Path) -> None:
    top_level = {entry.name for entry in _ROOT.iterdir() if not entry.name.startswith(".")}
    named = {name for name in _FILE.findall(_text(page)) if name.split("/")[0] in top_level}
    assert {name for name in named if not (_ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_the_page_names_no_setting_that_no_process_reads(page: Path) -> None:
    assert set(_VARIABLE.findall(_text(page))) - _documented_variables() - _NO_SETTINGS == set()


def test_every_setting_in_the_code_is_in_the_reference() -> None:
    # The generator imports every process, so every model is known by now.
    models = _settings_models(ServiceSettings)
    fields = {
        environment_name(name)
        for model in models
        if not model.__module__.startswith("tests.")
        for name in model.model_fields
    }
    assert fields <= _documented_variables()
    page = _text(_ROOT / "docs" / "settings.md")
    assert {name for name in fields if f"`{name}`" not in page} == set()


def test_every_metric_is_in_the_reference_and_every_metric_that_pages_name_exists() -> None:
    reference = _text(_ROOT / "docs" / "metrics.md")
    names = {metric.name for metric in all_metrics()}
    assert {name for name in names if f"`{name}`" not in reference} == set()
    families = {name.split("_")[0] for name in names}
    operations = _text(_ROOT / "docs" / "operations.md")
    told = re.findall(r"^\| `([a-z]+_[a-z_]+)` \|", operations, re.MULTILINE)
    assert told
    assert {name for name in told if name.split("_")[0] in families} <= names


@pytest.mark.parametrize("kind", [Outcome, DeadLetterReason])
def test_every_code_of_the_catalogue_has_a_sentence(
    kind: type[Outcome] | type[DeadLetterReason],
) -> None:
    sentences = sentences_of(kind)
    assert set(sentences) == {member.name for member in kind}
    assert all(sentence.endswith(".") for sentence in sentences.values())

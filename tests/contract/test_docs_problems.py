"""Every problem that code can answer with stands in a catalogue, and so in docs/errors.md."""

import ast
from collections.abc import Iterator

from auth.problems import AUTH_PROBLEMS
from gateway.problems import GATEWAY_PROBLEMS
from schemas.outcomes import TOOK_EFFECT, Outcome
from service.http.problems import SHARED_PROBLEMS
from tests.architecture.tree import ROOT, python_files

_SERVICES = ("auth", "gateway", "providers", "service")
_CATALOGUES = (*SHARED_PROBLEMS, *GATEWAY_PROBLEMS, *AUTH_PROBLEMS)


def _declared_codes() -> Iterator[str]:
    """The codes of all `ProblemType(…)` in the services' source."""
    for file in python_files():
        if file.relative_to(ROOT).parts[0] not in _SERVICES:
            continue
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ProblemType"):
                code = node.args[0]
                yield (
                    Outcome[code.attr].value
                    if isinstance(code, ast.Attribute)
                    else ast.literal_eval(code)
                )


def test_every_declared_problem_is_in_a_catalogue() -> None:
    declared = set(_declared_codes())
    assert declared
    assert declared - {kind.code for kind in _CATALOGUES} == set()


def test_a_code_means_one_thing() -> None:
    codes = [kind.code for kind in _CATALOGUES]
    assert sorted(codes) == sorted(set(codes))


def test_every_problem_and_every_outcome_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    codes = {kind.code for kind in _CATALOGUES} | {outcome.value for outcome in Outcome}
    assert {code for code in codes if f"| `{code}` |" not in page} == set()


def test_what_took_effect_is_no_problem() -> None:
    assert {kind.code for kind in _CATALOGUES} & {outcome.value for outcome in TOOK_EFFECT} == set()

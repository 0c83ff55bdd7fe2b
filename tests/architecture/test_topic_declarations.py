"""Who uses a topic in the code is declared in the registry as one who writes or reads it.

Read from the source: a package uses a topic when a module of it imports the topic's constant from
`topics.registry`. Names of topics stand nowhere else.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import topics.registry
from topics.registry import POLICIES, STATE_OWNERS, TOPICS, StateOwner, Topic

_ROOT = Path(__file__).parents[2]
_PACKAGES = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"][
    "build"
]["targets"]["wheel"]["packages"]

_TOPIC_OF_CONSTANT: dict[str, tuple[Topic, ...]] = {
    name: (value,) for name, value in vars(topics.registry).items() if isinstance(value, Topic)
}
_USERS = {topic.name: topic.producers | topic.consumers for topic in TOPICS}

_POLICY_MODULES = {"topics.published_policies", "topics.policy_publication"}

# Names without a dot are also ordinary words and names of commands.
_TELLING_NAMES = {topic.name for topic in TOPICS if "." in topic.name}


def _modules() -> Iterator[Path]:
    for package in _PACKAGES:
        yield from sorted((_ROOT / package).rglob("*.py"))


def _package_of(module: Path) -> str:
    """The package that the registry would name: pipelines are told apart, others are not."""
    parts = module.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:2]) if parts[0] == "pipelines" else parts[0]


def _used_topics(tree: ast.Module) -> Iterator[Topic]:
    """Topics whose constants are imported, by `from topics.registry import …` or by attribute.

    `policies` is also used through the modules that read and write it for others.
    """
    aliases = {"topics.registry"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in _POLICY_MODULES:
            yield POLICIES
        if isinstance(node, ast.ImportFrom) and node.module == "topics.registry":
            for alias in node.names:
                yield from _TOPIC_OF_CONSTANT.get(alias.name, ())
        elif isinstance(node, ast.ImportFrom) and node.module == "topics":
            aliases |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in aliases:
            yield from _TOPIC_OF_CONSTANT.get(node.attr, ())


def _undeclared(package: str, source: str) -> list[str]:
    """The topics that a module of `package` uses without being declared."""
    return sorted(
        {
            topic.name
            for topic in _used_topics(ast.parse(source))
            if package not in _USERS[topic.name]
        }
    )


def _topic_names_in(source: str) -> set[str]:
    """Names of topics that stand in the code as text, documentation aside."""
    tree = ast.parse(source)
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and id(node) not in documentation
        and isinstance(node.value, str)
        and node.value in _TELLING_NAMES
    }


def test_every_package_that_uses_a_topic_is_declared() -> None:
    undeclared = {
        str(module.relative_to(_ROOT)): found
        for module in _modules()
        if (found := _undeclared(_package_of(module), module.read_text(encoding="utf-8")))
    }

    assert undeclared == {}, "declare it in topics/registry.py, or do not use the topic"


def test_a_topics_name_is_written_in_the_registry_alone() -> None:
    written = {
        str(module.relative_to(_ROOT)): found
        for module in _modules()
        if module != Path(topics.registry.__file__)
        and (found := _topic_names_in(module.read_text(encoding="utf-8")))
    }

    assert written == {}, "use the constants of topics/registry.py"


def test_every_declared_user_is_a_package_of_this_project() -> None:
    for topic in TOPICS:
        for package in topic.producers | topic.consumers:
            assert package.split(".")[0] in _PACKAGES, f"{topic.name} names {package}"


@pytest.mark.parametrize("owner", STATE_OWNERS, ids=lambda owner: owner.group)
def test_a_state_owner_reads_its_input(owner: StateOwner) -> None:
    assert owner.package in owner.input.consumers


@pytest.mark.parametrize(
    "source",
    [
        "from topics.registry import ACCOUNTS_COMMANDS",
        "from topics.registry import ACCOUNTS_COMMANDS as COMMANDS",
        "import topics.registry\nprint(topics.registry.ACCOUNTS_COMMANDS)",
        "from topics import registry\nprint(registry.ACCOUNTS_COMMANDS)",
        "def f():\n    from topics.registry import ACCOUNTS_COMMANDS",
    ],
)
def test_an_undeclared_use_is_found(source: str) -> None:
    assert _undeclared("analytics", source) == ["accounts.commands"]
    assert _undeclared("gateway", source) == []


def test_reading_published_policies_is_using_their_topic() -> None:
    source = "from topics.published_policies import read_published_policies"

    assert _undeclared("gateway", source) == ["policies"]
    assert _undeclared("leaky", source) == []


def test_a_name_in_the_code_is_found_and_one_in_documentation_is_not() -> None:
    assert _topic_names_in("producer.produce('accounts.commands')") == {"accounts.commands"}
    assert _topic_names_in("'accounts.commands'") == set()

"""Settings: read from LEAKY_ variables, explained when wrong, documented by themselves."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from service.settings import (
    EXIT_NEEDS_A_PERSON,
    ServiceSettings,
    UndocumentedSettingError,
    settings_table,
)


class ShopSettings(ServiceSettings):
    """Settings of a shop."""

    shop_port: int = Field(default=9000, ge=1, description="TCP port the shop listens on.")
    shop_password: SecretStr = Field(description="What opens the till.")
    hold_ttl_ms: int | None = Field(default=None, description="How long a hold lives.")


def test_a_setting_is_read_from_its_prefixed_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKY_SHOP_PORT", "9100")
    monkeypatch.setenv("LEAKY_SHOP_PASSWORD", "sesame")
    monkeypatch.setenv("LEAKY_DATA_DIR", "elsewhere")

    settings = ShopSettings.load()

    assert settings.shop_port == 9100
    assert settings.shop_password.get_secret_value() == "sesame"
    assert settings.data_dir == Path("elsewhere")


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKY_SHOP_PASSWORD", "sesame")
    monkeypatch.setenv("LEAKY_SHOP_PORT", "")

    assert ShopSettings.load().shop_port == 9000


def test_wrong_settings_are_named_with_what_came_and_end_the_process_with_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEAKY_SHOP_PORT", "none")
    monkeypatch.delenv("LEAKY_SHOP_PASSWORD", raising=False)

    with pytest.raises(SystemExit) as ended:
        ShopSettings.load()

    said = capsys.readouterr().err
    assert ended.value.code == EXIT_NEEDS_A_PERSON == 78
    assert "LEAKY_SHOP_PORT: input should be a valid integer" in said
    assert "'none' came" in said
    assert "LEAKY_SHOP_PASSWORD: field required; nothing came" in said


def test_a_wrong_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Vault(ServiceSettings):
        """A vault."""

        vault_key: SecretStr = Field(min_length=32, description="Opens the vault.")

    monkeypatch.setenv("LEAKY_VAULT_KEY", "too-short-secret")

    with pytest.raises(SystemExit):
        Vault.load()

    said = capsys.readouterr().err
    assert "LEAKY_VAULT_KEY" in said
    assert "too-short-secret" not in said


def test_a_setting_without_a_description_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(UndocumentedSettingError, match="mystery needs a description"):

        class Nameless(ServiceSettings):
            mystery: str = "x"


def test_a_number_without_a_unit_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(UndocumentedSettingError, match="must name its unit"):

        class Unitless(ServiceSettings):
            timeout: int = Field(default=3, description="How long to wait.")


def test_the_table_has_a_row_for_each_variable_with_type_default_and_meaning() -> None:
    table = settings_table(ShopSettings)

    assert "| `LEAKY_SHOP_PORT` | int ≥ 1 | `9000` | TCP port the shop listens on. |" in table
    assert "| `LEAKY_SHOP_PASSWORD` | secret | required | What opens the till. |" in table
    assert "| `LEAKY_HOLD_TTL_MS` | int or nothing | none |" in table
    assert "| `LEAKY_LOG_LEVEL` | `debug` or `info` or `warning` or `error` |" in table

"""Where the command line finds the system: the environment, else what `leaky run` left for it."""

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
)

from service.settings import ServiceSettings
from topics.settings import TopicsSettings


class CommandLineSettings(TopicsSettings):
    """The `leaky` command line: its broker, its topics, its data folder with the issuers' keys.

    What the environment leaves out comes from the system that runs in the data folder.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours is in the data folder
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was passed, the environment, then what `leaky run` left, in this order."""
        from leaky.run import RUN_ENVIRONMENT  # brings the devstack with it, which takes time

        running = ServiceSettings().data_dir / RUN_ENVIRONMENT
        return init_settings, env_settings, DotEnvSettingsSource(settings_cls, env_file=running)

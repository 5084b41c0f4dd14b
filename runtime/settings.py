"""What can be set from outside, in one frozen object that is read once when a process starts."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from domain.errors import BadSettings
from runtime.secret_files import with_secrets_read

PREFIX = "WAYSTATION_"
RESERVED_FOR_TESTS = "WAYSTATION_TEST_"
TREE = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Every setting; docs/settings.md explains each under its environment name.

    Made by `load_settings` from the environment, or directly by keyword in tests: the constructor
    itself never looks at the environment. Relative paths count from the folder of `./waystation`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", validate_default=True
    )

    var_dir: Path = Path("var")
    bind: str = "127.0.0.1"
    api_port: int = Field(8600, ge=1, le=65535)
    public_url: str = ""
    live_clients_max: int = Field(2000, ge=1)

    broker: Literal["embedded", "nats", "mosquitto"] = "embedded"
    mqtt_bind: str = "127.0.0.1"
    mqtt_listen: str = ""
    mqtt_port: int = Field(8683, ge=1, le=65535)
    mqtt_tls_port: int = Field(8883, ge=1, le=65535)
    mqtt_host: str = ""
    mqtt_ca: Path | None = None
    mqtt_plain: bool = False
    certificate_names: str = ""
    nats_port: int = Field(8622, ge=1, le=65535)
    mqtt_certificate: Path | None = None
    mqtt_key: Path | None = None

    database_url: str = Field("", repr=False)
    series: Literal["sql", "influx"] = "sql"
    influx_url: str = ""
    influx_org: str = ""
    influx_bucket: str = "waystation"
    influx_token: SecretStr = SecretStr("")
    outbox_max_mb: int = Field(20_000, ge=10)
    retention_days: int = Field(30, ge=1)
    rollup_retention_days: int = Field(730, ge=1)

    rulebook: Path | None = None
    holidays: Path | None = None
    webhook_url: str = ""
    webhook_secret: SecretStr = SecretStr("")

    stations: int = Field(40, ge=0, le=20_000)
    sim_seed: int = 1
    sim_processes: int = Field(0, ge=0, le=64)
    sim_equipment: Literal["all", "by_class"] = "all"
    sim_messages_per_s: float = Field(1_200, ge=1, le=100_000)
    sim_connects_per_s: float = Field(200, ge=1, le=10_000)
    sim_hour_shift: int = Field(0, ge=-23, le=23)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    log_file_mb: int = Field(10, ge=0, le=10_000)
    log_old_files: int = Field(3, ge=1, le=100)

    @field_validator("var_dir", "rulebook", "holidays", "mqtt_certificate", "mqtt_key", "mqtt_ca")
    @classmethod
    def _from_the_tree(cls, value: Path | None) -> Path | None:
        return None if value is None else TREE / value.expanduser()

    @field_validator("bind", "mqtt_bind", "mqtt_listen")
    @classmethod
    def _an_address(cls, value: str) -> str:
        try:
            return value and str(ipaddress.ip_address("127.0.0.1" if value == "localhost" else value))
        except ValueError:
            raise ValueError("must be an IP address of this machine, such as 127.0.0.1 or 0.0.0.0") from None

    @field_validator("public_url", "webhook_url", "influx_url")
    @classmethod
    def _a_web_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _a_database(cls, value: str) -> str:
        if value and value.split(":")[0].split("+")[0] not in ("sqlite", "postgresql"):
            raise ValueError("must begin with sqlite:/// or postgresql://, or be empty")
        return value

    @field_validator("log_level", "log_format", "series", "broker", mode="before")
    @classmethod
    def _in_small_letters(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        ports = {
            "WAYSTATION_API_PORT": self.api_port,
            "WAYSTATION_MQTT_PORT": self.mqtt_port,
            "WAYSTATION_NATS_PORT": self.nats_port,
        }
        if self.broker == "mosquitto":
            ports["WAYSTATION_MQTT_TLS_PORT"] = self.mqtt_tls_port
        for name, port in ports.items():
            for other, taken in ports.items():
                if name < other and port == taken:
                    raise ValueError(f"{name} and {other} are both {port}: each needs a port of its own")
        if self.series == "influx":
            for name in ("influx_url", "influx_org"):
                if not getattr(self, name):
                    raise ValueError(
                        f"WAYSTATION_SERIES is influx, so {PREFIX}{name.upper()} must be set too"
                    )
        if (self.mqtt_certificate is None) != (self.mqtt_key is None):
            raise ValueError("WAYSTATION_MQTT_CERTIFICATE and WAYSTATION_MQTT_KEY must be set together")
        if self.mqtt_certificate is None and not ipaddress.ip_address(self.mqtt_bind).is_loopback:
            raise ValueError(
                f"WAYSTATION_MQTT_BIND is {self.mqtt_bind}, where others can listen in: "
                "set WAYSTATION_MQTT_CERTIFICATE and WAYSTATION_MQTT_KEY too, "
                "or WAYSTATION_MQTT_LISTEN instead, which makes them"
            )
        if self.broker != "embedded" and self.mqtt_listen:
            raise ValueError(
                f"WAYSTATION_MQTT_LISTEN opens the embedded broker, but WAYSTATION_BROKER is {self.broker}: "
                "where that one listens stands in its own configuration"
            )
        if self.mqtt_plain and not is_loopback(self.mqtt_host or "127.0.0.1"):
            raise ValueError(
                f"WAYSTATION_MQTT_PLAIN is set and WAYSTATION_MQTT_HOST is {self.mqtt_host}, "
                "beyond this machine, where others can listen in: give the broker a certificate"
            )
        if self.webhook_url and not self.webhook_secret.get_secret_value():
            raise ValueError(
                "WAYSTATION_WEBHOOK_URL is set, so WAYSTATION_WEBHOOK_SECRET must be set too: "
                "the receiver checks each message with it"
            )
        return self

    @property
    def store_url(self) -> str:
        """The database's address; a SQLite file in `var_dir` when none is set."""
        return self.database_url or f"sqlite:///{self.var_dir / 'waystation.sqlite3'}"

    @property
    def base_url(self) -> str:
        """The address under which people reach the API, without a slash at the end."""
        if self.public_url:
            return self.public_url
        unspecified = ipaddress.ip_address(self.bind).is_unspecified
        host = "127.0.0.1" if unspecified else f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"http://{host}:{self.api_port}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def is_loopback(host: str) -> bool:
    """True for an address or name that never leaves this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def environment_names() -> list[str]:
    """The environment's name of every setting, in the order of the class."""
    return [PREFIX + field.upper() for field in Settings.model_fields]


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; raise BadSettings with one sentence for each mistake."""
    environ = with_secrets_read(environ)
    known = environment_names()
    ours = {name for name in environ if name.upper().startswith(PREFIX)}
    unknown = {name for name in ours.difference(known) if not name.upper().startswith(RESERVED_FOR_TESTS)}
    if unknown:
        raise BadSettings("\n".join(_unknown(name) for name in sorted(unknown)))
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): environ[name] for name in known if environ.get(name)}
    try:
        return Settings(**source())
    except ValidationError as error:
        raise BadSettings("\n".join(_sentence(mistake) for mistake in error.errors())) from None


def _unknown(name: str) -> str:
    field = name[len(PREFIX) :].lower()
    closest = difflib.get_close_matches(field, Settings.model_fields, n=1, cutoff=0.0)[0]
    return (
        f"There is no setting {name}; the closest is {PREFIX}{closest.upper()} (docs/settings.md lists all)."
    )


def _sentence(mistake: Mapping[str, object]) -> str:
    """Say what is wrong with one value, without repeating a value that may be secret."""
    where = mistake["loc"]
    said = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if not isinstance(where, tuple) or not where:
        return f"{said}."
    field = str(where[0])
    secret = field == "database_url" or field.endswith(("_token", "_secret"))
    value = "" if secret else f" is {str(mistake['input'])!r}, but it"
    return f"{PREFIX}{field.upper()}{value} {said[0].lower()}{said[1:]} (see docs/settings.md)."

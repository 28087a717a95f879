"""Every setting of the gateway, from the environment (prefix SOCLE_). Each is listed in docs/reglages.md."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from gateway.journal.bodies import check_levels
from gateway.journal.record import Environment as Environment
from gateway.journal.retention import Retention
from gateway.operations import BodyPolicy

Seconds = Annotated[float, Field(gt=0)]
Upstream = Literal["INS", "INS-ONEWAY", "DMP", "PSC", "PSC-WALLET", "ANN", "MSS"]


class Settings(BaseSettings):
    """Read once at start. A wrong value stops the process with exit 2 and one line that names it."""

    model_config = SettingsConfigDict(env_prefix="SOCLE_", extra="ignore")

    data: Path = Field(Path(".socle"), description="Dossier des données : journal, clés, bac à sable.")
    store: SecretStr | None = Field(None, description="Adresse du serveur PostgreSQL du journal ; sans elle, un fichier SQLite.")
    environment: Environment = Field("bac_a_sable", description="Environnement inscrit dans chaque entrée du journal.")
    upstreams: dict[Upstream, str] = Field(
        default_factory=dict, description="Adresse d'un service, par code ; sans elle, celle de sa simulation sur cette machine."
    )
    deadline_s: float | None = Field(None, gt=0, description="Plafonne le délai de réponse de chaque service, en secondes.")
    patience_s: Seconds | dict[Literal["DMP", "MSS"], Seconds] | None = Field(
        None, description="Attente du DUI avant de lui dire que l'état d'un envoi est inconnu ; un nombre, ou un par service."
    )
    drain_s: float = Field(30.0, gt=0, description="À l'arrêt, temps laissé aux appels en cours, en secondes.")
    ballast_mio: int = Field(64, ge=1, description="Place gardée sur le disque pour finir les appels en cours, en Mio.")
    checkpoint_entries: int = Field(1000, ge=1, description="Point de contrôle signé dès que tant d'entrées l'attendent.")
    checkpoint_s: float = Field(300.0, gt=0, description="Point de contrôle signé au plus tard tant de secondes après.")
    settle_retry_s: float = Field(300.0, gt=0, description="Attente avant de reposer une question sans preuve, en secondes.")

    rerun_in_production: bool = Field(False, description="Autorise à refaire en production un appel du journal.")
    bodies: dict[str, BodyPolicy] = Field(
        default_factory=dict, description="Ce que le journal garde des messages, par OPERATION ou éditeur/OPERATION."
    )
    body_max_kio: int = Field(1024, gt=0, description="Taille au-delà de laquelle un message gardé est coupé, en Kio.")
    retention_bodies_days: dict[str, int] = Field(
        default_factory=dict, description="Jours de conservation des messages, par éditeur ; « * » pour les autres."
    )
    retention_refs_days: dict[str, int] = Field(
        default_factory=dict, description="Jours de conservation des noms et des faits, par éditeur ; « * » pour les autres."
    )

    retention_keys_days: dict[str, int] = Field(
        default_factory=dict, description="Jours pendant lesquels une Idempotency-Key n'a qu'un effet, par éditeur."
    )

    retention_entries_days: dict[str, int] = Field(
        default_factory=dict, description="Jours de conservation des entrées, par éditeur, une fois closes leurs mesures."
    )

    @field_validator("upstreams")
    @classmethod
    def _addresses(cls, upstreams: dict[Upstream, str]) -> dict[Upstream, str]:
        for service, url in upstreams.items():
            scheme = "smtp" if service == "MSS" else "https"
            if not _is_address(url, scheme):
                raise ValueError(f"{service} : attendu {scheme}://hôte:port, sans chemin ni compte")
        return upstreams

    @field_validator("bodies")
    @classmethod
    def _levels(cls, levels: dict[str, BodyPolicy]) -> dict[str, BodyPolicy]:
        check_levels(levels)
        return levels

    @field_validator("retention_bodies_days")
    @classmethod
    def _bodies_days(cls, days: dict[str, int]) -> dict[str, int]:
        return dict(Retention(bodies=days).bodies)

    @field_validator("retention_refs_days")
    @classmethod
    def _refs_days(cls, days: dict[str, int]) -> dict[str, int]:
        return dict(Retention(refs=days).refs)

    @field_validator("retention_keys_days")
    @classmethod
    def _keys_days(cls, days: dict[str, int]) -> dict[str, int]:
        return dict(Retention(keys=days).keys)

    @field_validator("retention_entries_days")
    @classmethod
    def _entries_days(cls, days: dict[str, int], others: ValidationInfo) -> dict[str, int]:
        """Not before what the entries date, which is validated before them."""
        bodies, refs, keys = (others.data.get(f"retention_{name}_days", {}) for name in ("bodies", "refs", "keys"))
        return dict(Retention(bodies, refs, keys, days).entries)

    def retention(self) -> Retention:
        return Retention(
            self.retention_bodies_days, self.retention_refs_days, self.retention_keys_days, self.retention_entries_days
        )

    def patience_of(self, service: str) -> float | None:
        """What was asked for this service; None leaves the operation table's."""
        if isinstance(self.patience_s, dict):
            return next((seconds for name, seconds in self.patience_s.items() if name == service), None)
        return self.patience_s

    @property
    def sandbox(self) -> Path:
        return self.data / "sandbox"

    @property
    def journal(self) -> Path:
        return self.data / "gateway"

    @property
    def identities(self) -> Path:
        return self.journal / "identities"


def _is_address(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
        exact = f"{scheme}://{parts.netloc}"
        return bool(parts.hostname) and parts.port != 0 and url == exact and "@" not in url and not url.endswith(":")
    except ValueError:
        return False


def why_refused(error: ValidationError | SettingsError) -> str:
    """One French line for a setting that cannot be used; its value is not repeated."""
    if isinstance(error, SettingsError):
        name = re.search(r'field "(\w+)"', str(error))
        return f"Réglage SOCLE_{name[1].upper() if name else '?'} : ce n'est pas du JSON lisible (docs/reglages.md)."
    first = error.errors()[0]
    return f"Réglage SOCLE_{str(first['loc'][0]).upper()} : {_why(first)} (docs/reglages.md)."


#: What pydantic finds wrong, in French; the messages of our own checks already are.
_WHY = {
    "greater_than": "plus de {gt:g} est attendu", "greater_than_equal": "{ge:g} au moins",
    "bool_parsing": "attendu : true ou false",
    "int_parsing": "un nombre entier est attendu", "int_from_float": "un nombre entier est attendu",
    "float_parsing": "un nombre est attendu", "finite_number": "un nombre fini est attendu",
    "literal_error": "attendu : {expected}", "dict_type": "un objet JSON est attendu",
}  # fmt: skip


def _why(error: Any) -> str:
    told = _WHY.get(error["type"])
    if told is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return told.format(**error.get("ctx", {})).replace("'", "").replace(" or ", " ou ")

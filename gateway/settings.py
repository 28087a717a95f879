"""Every setting of the gateway, from the environment (prefix SOCLE_). Each is listed in docs/reglages.md."""
from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Environment = Literal["bac_a_sable", "recette", "charge", "production"]


class Settings(BaseSettings):
    """Read once at start. A wrong value stops the process with exit 2 and one line that names it."""

    model_config = SettingsConfigDict(env_prefix="SOCLE_", extra="ignore")

    data: Path = Field(Path(".socle"), description="Dossier des données : journal, clés, bac à sable.")
    environment: Environment = Field("bac_a_sable", description="Environnement inscrit dans chaque entrée du journal.")
    deadline_s: float | None = Field(None, gt=0, description="Plafonne le délai de réponse de chaque service, en secondes.")
    drain_s: float = Field(30.0, gt=0, description="À l'arrêt, temps laissé aux appels en cours, en secondes.")
    settle_retry_s: float = Field(300.0, gt=0, description="Attente avant de reposer une question sans preuve, en secondes.")

    @property
    def sandbox(self) -> Path:
        return self.data / "sandbox"

    @property
    def journal(self) -> Path:
        return self.data / "gateway"

"""The people of the sandbox: who is there and what for, one more, many more (docs/population.md)."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.newcomer_staff import read_professionals
from mocks.sandbox.newcomers import read_persons
from mocks.sandbox.situations import SITUATIONS, sentences, situations_of
from mocks.sandbox.viewing import ANOTHERS, NotYours, view
from mocks.sandbox.world import Mock, World

#: Bytes of one request that adds people: some ten thousand rows.
MAX_BODY = 8 * 1024 * 1024
_PAGE = 1000
_MAX_ROWS = 10_000

_NOBODY = "Ni personne ni professionnel de ce numéro dans le bac à sable : voyez GET /people."
Kind = Literal["persons", "professionals"]
Row = dict[str, Any]


class People(Told):
    people: list[Row] = Field(description="Les lignes, comme docs/population.md les décrit, avec « sert_a » pour les personnes.")
    next: int | None = Field(description="À donner dans « after » pour la suite ; null à la fin.")
    counts: dict[str, int] = Field(description="Combien de chaque sorte en tout, et combien ont été ajoutées.")


class OnePerson(Told):
    kind: Kind
    one: Row
    sert_a: list[str] = Field(description="Les situations que cette personne provoque, service par service.")


class Situations(Told):
    situations: dict[str, str] = Field(description="Nom de chaque situation, et ce qu'elle provoque.")


class Newcomers(Asked):
    persons: list[Row] = Field(default=[], max_length=_MAX_ROWS, description="Personnes à ajouter, une ligne pour chacune.")
    professionals: list[Row] = Field(default=[], max_length=_MAX_ROWS, description="Professionnels à ajouter.")


class Added(Told):
    persons: list[Row]
    professionals: list[Row]


class Kept(Told):
    forgotten: int = Field(description="Combien de personnes et de professionnels ajoutés ont été oubliés.")


Limit = Annotated[int, Query(ge=1, le=_PAGE, description="Lignes au plus.")]


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Population"])

    @routes.get("/people", responses=refusals())
    async def list_people(
        kind: Annotated[Kind, Query(description="Personnes ou professionnels.")] = "persons",
        name: Annotated[str, Query(max_length=100, description="Début du nom de naissance, ou du nom du professionnel.")] = "",
        structure: Annotated[str, Query(max_length=9, description="FINESS ET.")] = "",
        dmp: Annotated[Literal["", "active", "none", "closed", "opposed"], Query(description="État du DMP.")] = "",
        situation: Annotated[str, Query(max_length=40, description="Nom d'une situation (GET /people/situations).")] = "",
        source: Annotated[Literal["", "published", "generated", "added"], Query(description="D'où la ligne vient.")] = "",
        after: Annotated[int, Query(ge=0, lt=2**53, description="« next » de la page d'avant.")] = 0,
        limit: Limit = 100,
    ) -> People:
        """Les personnes ou les professionnels du bac à sable, dans l'ordre de leur création."""
        if situation and situation not in SITUATIONS:
            raise Refused(422, f"« situation » : inconnue ; possibles : {', '.join(SITUATIONS)}.")
        if kind == "professionals" and (dmp or situation):
            raise Refused(422, "« dmp » et « situation » ne valent que pour les personnes.")
        filters = [("instr(situations, ?)", f" {situation} " if situation else ""), ("dmp = ?", dmp)]
        filters += [("structure = ?", structure), ("source = ?", source)]
        wanted = [(where, value) for where, value in filters if value]
        if name:
            column = "birth_name" if kind == "persons" else "family"
            wanted.append((f"substr({column}, 1, length(?)) = ?", name.upper()))
        met, values = view().met()
        wanted += [(met, value) for value in values]
        found = world.population.select(kind, *_where(wanted), after=after, limit=limit)
        rows = [_shown(row, kind) for _, row in found]
        counts = world.population.counts(met, values)
        return People(people=rows, next=found[-1][0] if len(found) == limit else None, counts=counts)

    @routes.get("/people/situations", responses=refusals())
    async def situations() -> Situations:
        """Toutes les situations que des personnes provoquent."""
        return Situations(situations=SITUATIONS)

    @routes.get("/people/{number}", responses=refusals(404))
    async def show(
        number: Annotated[str, Path(min_length=2, max_length=40, description="Matricule, RPPS ou idNat_PS.")],
    ) -> OnePerson:
        """Une personne par son matricule, présent ou passé, ou un professionnel par son RPPS ou son idNat_PS."""
        person = world.population.bearer(number.upper())
        if person is not None and not view().meets(person):
            raise NotYours(404, _NOBODY, ANOTHERS)
        if person is not None:
            return OnePerson(kind="persons", one=_shown(person, "persons"), sert_a=sentences(person))
        professional = world.population.professional(number) or world.population.professional(f"8{number}")
        if professional is None:
            raise Refused(404, _NOBODY)
        if not view().meets(professional):
            raise NotYours(404, _NOBODY, ANOTHERS)
        return OnePerson(kind="professionals", one=professional, sert_a=_staff_sentences(professional))

    @routes.post("/people", status_code=201, responses=with_body())
    async def add(wanted: Newcomers) -> Added:
        """Ajoute des personnes et des professionnels à tous les services à la fois ; ils survivent à un redémarrage.

        Rien n'est pris si une ligne est fausse : le refus a « lignes », chacune avec son rang, sa colonne et la raison.
        """
        return add_people(world, wanted)

    @routes.delete("/people/added", responses=refusals())
    async def forget() -> Kept:
        """Oublie ce qui a été ajouté : la première population revient."""
        return Kept(forgotten=world.population.forget_added(view().tenant))

    return routes


def add_people(world: World, wanted: Newcomers) -> Added:
    """All of them or nobody. Raises Refused with every mistake in ``lignes``; NotYours for another tenant's structure."""
    seen = view()
    structures = [row for row in world.manifest["structures"] if seen.structure(row["struct_id"])]
    tenants = [row["id"] for row in world.manifest["tenants"] if seen.owned(row["id"])]
    _check_places(world, wanted)
    known = [row["finess_et"] for row in structures]
    persons, wrong = read_persons(wanted.persons, world.population, known, tenants)
    professionals, also_wrong = read_professionals(wanted.professionals, world.population, structures, tenants)
    problems = [("persons", one) for one in wrong] + [("professionals", one) for one in also_wrong]
    if problems:
        lines = [{"sorte": kind, "ligne": one.line, "colonne": one.column, "raison": one.why} for kind, one in problems]
        kind, first = problems[0]
        told = f"{kind}, ligne {first.line}, colonne {first.column} : {first.why}."
        raise Refused(422, f"Rien n'a été ajouté ; {len(lines)} erreur(s). {told}", lignes=lines)
    if not (persons or professionals):
        raise Refused(422, "Rien à ajouter : donnez « persons », « professionals » ou les deux.")
    if seen.tenant is not None:
        persons, professionals = ([{**row, "owner": seen.tenant} for row in rows] for rows in (persons, professionals))
    world.population.add(persons, professionals)
    return Added(persons=[_shown(row, "persons") for row in persons], professionals=professionals)


def _check_places(world: World, wanted: Newcomers) -> None:
    theirs = {row["finess_et"] for row in world.manifest["structures"] if not view().structure(row["struct_id"])}
    if any(row.get("structure") in theirs for row in (*wanted.persons, *wanted.professionals)):
        raise NotYours(403, "Rien n'a été ajouté : « structure » nomme un établissement qui n'est pas à vous.", ANOTHERS)


def _where(wanted: list[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    values = tuple(value for where, value in wanted for _ in range(where.count("?")))
    return " AND ".join(["1", *(where for where, _ in wanted)]), values


def _shown(row: Row, kind: Kind) -> Row:
    return {**row, "sert_a": situations_of(row)} if kind == "persons" else row


def _staff_sentences(one: Row) -> list[str]:
    told = [f"Pro Santé Connect : identité {one['id_nat']} ({one['origin']}), CARD ou MOBILE"]
    if one["rpps"] is None:
        return [*told, "Annuaire : absent, faute de RPPS"]
    told.append("Annuaire : Practitioner, et un PractitionerRole par activité")
    if one["also_in"]:
        told.append("plusieurs activités : UserInfo ne désigne aucune structure, une boîte par activité")
    if one["mailbox"]:
        told.append(f"MSSanté : boîte personnelle {one['mailbox']}" + (", et celles de sa structure" if one["may_open"] else ""))
    return told

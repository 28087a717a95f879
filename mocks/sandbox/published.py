"""What the sandbox's authorities publish: their revocation lists, kept fresh, and who answers for them by OCSP.

``crl.pem`` holds the organisations' list then the root's, which the doors read; ``crl-persons.pem`` the professionals', apart:
a door for organisations does not know that branch.
"""
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mocks.sandbox.authority import Pair, new_key, new_responder
from mocks.sandbox.lists import Revoked, is_old, new_list, number_of, read_lists, revoked_in, write_lists
from mocks.sandbox.ocsp import Responder
from mocks.sandbox.papers import key_pem, pem_of, read_cert, read_key, read_pair, write
from mocks.sandbox.profiles import ORGANISATIONS, PERSONS, ROOT, Branch
from mocks.sandbox.register import Register

LISTS: dict[str, tuple[Branch, ...]] = {"crl.pem": (ORGANISATIONS, ROOT), "crl-persons.pem": (PERSONS,)}
BRANCHES = (ORGANISATIONS, PERSONS, ROOT)
_OCSP_KEY = "ocsp.key"


def exists(folder: Path, branch: Branch) -> bool:
    """Whether this authority has been made: that of persons waits for the first professional who asks."""
    return (folder / f"{branch.stem}.key").exists()


def publish(folder: Path, register: Register, at: datetime) -> bool:
    """Sign again the lists that are missing, old, or without a revocation that the register has; whether any was."""
    files = [(folder / file, [one for one in branches if exists(folder, one)]) for file, branches in LISTS.items()]
    done = [_publish(path, known, register, at) for path, known in files if known]
    return any(done)


def _publish(path: Path, branches: list[Branch], register: Register, at: datetime) -> bool:
    former = read_lists(path.read_bytes()) if path.exists() else []
    lines = [_lines(register, branch) for branch in branches]
    missing = len(former) < len(branches)
    for mine, one in zip(lines, former, strict=False):
        listed, known = revoked_in(one), {line.serial for line in mine}
        missing |= not known <= {line.serial for line in listed}
        mine += [line for line in listed if line.serial not in known]  # certificates that have no row
    if not missing and not any(is_old(one, at) for one in former):
        return False
    number = max([number_of(one) for one in former], default=0) + 1
    pairs = [(read_pair(path.parent / branch.stem), mine) for branch, mine in zip(branches, lines, strict=True)]
    write(path, write_lists(new_list(issuer, mine, number=number, at=at) for issuer, mine in pairs))
    return True


def _lines(register: Register, branch: Branch) -> list[Revoked]:
    return [line for row in register.of(branch.stem) if (line := row.revoked()) is not None]


def complete_responders(folder: Path) -> None:
    """One key for OCSP, and for each authority a certificate that delegates to it; what is there stays."""
    if not (folder / _OCSP_KEY).exists():
        write(folder / _OCSP_KEY, key_pem(new_key()), secret=True)
    key = read_key(folder / _OCSP_KEY)
    for branch in BRANCHES:
        path = folder / f"ocsp-{branch.stem}.pem"
        if exists(folder, branch) and not path.exists():
            write(path, pem_of(new_responder(read_pair(folder / branch.stem), branch, key).cert))


def responders(folder: Path, register: Register) -> list[Responder]:
    """Who answers for each authority, as the register is now."""
    key = read_key(folder / _OCSP_KEY)
    found = []
    for branch in BRANCHES:
        if exists(folder, branch):
            delegate = Pair(read_cert(folder / f"ocsp-{branch.stem}.pem"), key)
            issuer = read_cert(folder / f"{branch.stem}.pem")
            found.append(Responder(issuer, delegate, _status(folder, register, branch)))
    return found


def _status(folder: Path, register: Register, branch: Branch) -> Callable[[int], Revoked | bool | None]:
    known: dict[int, Revoked | bool] = {row.number: row.revoked() or False for row in register.of(branch.stem)}
    if branch is ROOT:
        issuers = [one for one in BRANCHES if exists(folder, one)]
        known |= {read_cert(folder / f"{one.stem}.pem").serial_number: False for one in issuers}
    return known.get

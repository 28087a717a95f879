"""What of the messages is a tenant's: those that its mailboxes sent or received. Who received one keeps it, whatever who sent
it does."""
from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from connectors.nomenclatures.mssante import domain_of, normalise
from mocks.mssante.app import MssanteMock
from mocks.mssante.state import EMPTIED, Kept
from mocks.sandbox.kept import read_lines
from mocks.sandbox.population import own_boxes
from mocks.sandbox.tenants import domains_of
from mocks.sandbox.viewing import View

_INDEX = "messages.jsonl"


def mine(seen: View, kept: Kept) -> bool:
    """Whether one of its mailboxes sent it or received it, and was not emptied since."""
    return sent(seen, kept) or any(seen.box(address) for address, state in kept.recipients.items() if state != EMPTIED)


def sent(seen: View, kept: Kept) -> bool:
    return seen.box(kept.sender) and not (kept.left and seen.tenant is not None)


def copies(seen: View, kept: Kept) -> list[str]:
    """Recipients whose copy it may read: all of them for who sent it, else its own mailboxes."""
    still = [address for address, state in kept.recipients.items() if state != EMPTIED]
    return [address for address in still if sent(seen, kept) or seen.box(address)]


def forget(operator: MssanteMock, seen: View, kept: Kept) -> None:
    """Take its part of a message away: what another tenant of the sandbox received or sent is still that one's, as it was."""
    hosted, own = domains_of(operator.world.manifest["structures"]), seen.box(kept.sender)
    left = {
        address: EMPTIED if seen.box(address) else state for address, state in kept.recipients.items()
        if not seen.box(address) or domain_of(address) in hosted
    }  # fmt: skip
    others = [address for address, state in left.items() if state != EMPTIED] + ([] if own or kept.left else [kept.sender])
    if left and any(domain_of(address) in hosted for address in others):
        operator.store.narrow(kept, left, left=own)
    else:
        operator.store.delete(kept)


def empty(operator: MssanteMock, seen: View) -> None:
    """Its messages, and what its mailboxes hold beside them."""
    for kept in operator.store.messages():
        if mine(seen, kept):
            forget(operator, seen, kept)
    directory = operator.directory
    personal = {normalise(box) for one in directory.people.professionals() for box in own_boxes(one)}
    operator.room.empty(sorted(address for address in directory.shared | personal if seen.box(address)))


def state(operator: MssanteMock, seen: View) -> dict[str, Any]:
    whole = operator.state()
    opened = {address: told for address, told in whole["mailboxes"].items() if seen.box(address)}
    return {**whole, **operator.store.to_json(lambda kept: mine(seen, kept)), "mailboxes": opened}


def put_aside(operator: MssanteMock, seen: View, folder: Path) -> None:
    """Write in ``folder`` what ``put_back`` reads: a line for each message, a file for each copy that is the tenant's."""
    folder.mkdir()
    with (folder / _INDEX).open("wb") as index:
        for kept in operator.store.messages():
            if mine(seen, kept):
                own = _own(operator, seen, kept)
                index.write(orjson.dumps({**asdict(kept), "own": own}, option=orjson.OPT_APPEND_NEWLINE))
                for number, address in enumerate(own):
                    _copy(folder, kept, number).write_bytes(operator.store.content(kept, address))


def put_back(operator: MssanteMock, seen: View, folder: Path) -> None:
    """Its copies come back, and what it sent to others only when one of them still has it: nothing moves in their mailboxes."""
    here = {(kept.queue_id, kept.unit, kept.at): kept for kept in operator.store.messages()}
    for row in read_lines(folder / _INDEX):
        own = row.pop("own")
        kept = Kept(**row)
        held = here.get((kept.queue_id, kept.unit, kept.at))
        if own:
            recipients = {address: state if address in own else EMPTIED for address, state in kept.recipients.items()}
            contents = {address: _copy(folder, kept, number).read_bytes() for number, address in enumerate(own)}
            operator.store.put_back(replace(kept, recipients=recipients, left=not seen.box(kept.sender)), contents)
        elif held is not None:
            operator.store.regain(held)


def _copy(folder: Path, kept: Kept, number: int) -> Path:
    return folder / f"{kept.queue_id}.{number}.eml"


def _own(operator: MssanteMock, seen: View, kept: Kept) -> list[str]:
    """Recipients whose copy is the tenant's: its mailboxes, and those that are nobody's here of what it sent."""
    hosted = domains_of(operator.world.manifest["structures"])
    return [
        address for address in copies(seen, kept)
        if seen.box(address) or (sent(seen, kept) and domain_of(address) not in hosted)
    ]  # fmt: skip

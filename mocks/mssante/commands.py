"""SMTP command lines as the simulated operator reads them (RFC 5321 §4.1, RFC 3461 §4, RFC 4954 §4). Pure.

Its own reading, on purpose: a mock that shared the gateway's would find no mistake of it (design §3).
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from connectors.nomenclatures.mssante import is_address, normalise

_PATH = re.compile(r"<(?P<address>[^<>\s]*)>(?P<rest>(?: .*)?)")
_HELLO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\]")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[\x21-\x3c\x3e-\x7e]+))?")
_XTEXT = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+")


class BadSyntax(Exception):
    """The line is not this command (501)."""


class BadParameter(Exception):
    """The command has a parameter that this server does not take (555)."""


@dataclass(frozen=True, slots=True)
class Path:
    """Argument of MAIL or RCPT. ``address`` is normalised; empty for the null reverse-path."""

    address: str = field(repr=False)
    parameters: dict[str, str] = field(repr=False)  # upper-case names, values as typed


def verb_of(line: str) -> tuple[str, str]:
    """The upper-case verb and the rest of the line."""
    verb, _, rest = line.partition(" ")
    return verb.upper(), rest.strip(" ")


def parse_hello(argument: str) -> str:
    """The domain or address literal of EHLO. Raises BadSyntax."""
    if not _HELLO.fullmatch(argument):
        raise BadSyntax
    return argument


def parse_mail(argument: str) -> Path:
    """``FROM:<…>`` with SIZE, BODY, RET, ENVID, AUTH. Raises BadSyntax or BadParameter."""
    path = _path(argument, "FROM:", null_allowed=True)
    for name, value in path.parameters.items():
        match name:
            case "SIZE":
                _require(value.isascii() and value.isdecimal() and len(value) <= 20)
            case "BODY":
                _require(value.upper() in {"7BIT", "8BITMIME"})
            case "RET":
                _require(value.upper() in {"FULL", "HDRS"})
            case "ENVID":
                _require(len(value) <= 100 and _XTEXT.fullmatch(value) is not None)
            case "AUTH":
                _require(bool(value))
            case _:
                raise BadParameter
    return path


def parse_rcpt(argument: str) -> Path:
    """``TO:<…>`` with NOTIFY, ORCPT. Raises BadSyntax or BadParameter."""
    path = _path(argument, "TO:", null_allowed=False)
    for name, value in path.parameters.items():
        match name:
            case "NOTIFY":
                wanted = value.upper().split(",")
                _require(wanted == ["NEVER"] or set(wanted) <= {"SUCCESS", "FAILURE", "DELAY"})
            case "ORCPT":
                kind, separator, address = value.partition(";")
                _require(bool(separator and kind) and _XTEXT.fullmatch(address) is not None)
            case _:
                raise BadParameter
    return path


def _path(argument: str, keyword: str, *, null_allowed: bool) -> Path:
    if argument[: len(keyword)].upper() != keyword:
        raise BadSyntax
    # RFC 5321 §3.3 forbids a space after the colon, and nearly everyone accepts one: the strict form only.
    match = _PATH.fullmatch(argument[len(keyword) :])
    if match is None:
        raise BadSyntax
    address = match["address"]
    if not (is_address(address) or (null_allowed and address == "")):
        raise BadSyntax
    return Path(normalise(address), _parameters(match["rest"]))


def _parameters(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        name = match["name"].upper() if match else ""
        if match is None or name in parameters:
            raise BadSyntax
        parameters[name] = match["value"] or ""
    return parameters


def _require(condition: bool) -> None:
    if not condition:
        raise BadSyntax

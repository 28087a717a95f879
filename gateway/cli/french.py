"""Usage errors of the command line in French, on one line: what, where, what to do (design §9, exit code 2)."""
from __future__ import annotations

import re

import typer

#: The base of every usage error of typer's parser; typer publishes only this subclass of it.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_MESSAGES = (
    (re.compile(r"No such command '(.*)'\..*", re.DOTALL), "commande inconnue : « {0} »"),
    (re.compile(r"No such option:? '?([^'\s]+?)'?(?:[ .(].*)?", re.DOTALL), "option inconnue : « {0} »"),
    (re.compile(r"Missing (?:argument|option|parameter):? '([^']*)'.*", re.DOTALL), "il manque {0}"),
    (re.compile(r"Got unexpected extra argument\(?s?\)? \((.*)\)"), "argument en trop : « {0} »"),
    (re.compile(r"Option '(.*)' requires an argument\."), "l'option {0} demande une valeur"),
    (re.compile(r".*should be greater than or equal to (\S+)"), "{0} au moins"),
    (re.compile(r".*should be less than or equal to (\S+)"), "{0} au plus"),
    (re.compile(r".*should be a valid integer.*"), "un nombre entier est attendu"),
    (re.compile(r".*should be a valid number.*"), "un nombre est attendu"),
    (re.compile(r".*\b\w+ '(.*)' is a file\."), "« {0} » est un fichier, un dossier est attendu"),
    (re.compile(r".*\b\w+ '(.*)' is a directory\."), "« {0} » est un dossier, un fichier est attendu"),
    (re.compile(r".*\b\w+ '(.*)' does not exist\."), "« {0} » n'existe pas"),
)


def counted(number: int, one: str, many: str) -> str:
    """« 0 entrée », « 1 entrée », « 2 entrées »."""
    return f"{number} {one if number < 2 else many}"


def said(error: BaseException) -> str:
    """One French line for a usage error; a message that is not known passes as it is, and so does a command's help."""
    if _formatted(error).startswith("Usage:"):
        return _formatted(error)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "socle"
    return f"{command} : {_where(error)}{_what(error)}. Voir « {command} --help »."


def _what(error: BaseException) -> str:
    for message in (getattr(error, "message", None) or "", _formatted(error)):
        for pattern, text in _MESSAGES:
            found = pattern.fullmatch(message.strip())
            if found:
                return text.format(*found.groups())
    return _formatted(error).rstrip(".")


def _formatted(error: BaseException) -> str:
    return str(getattr(error, "format_message", error.__str__)())


def _where(error: BaseException) -> str:
    parameter = getattr(error, "param", None)
    message = getattr(error, "message", None)
    if parameter is None or not message:  # nothing was given: the message names it
        return ""
    given = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if given else [parameter.metavar or parameter.name]
    return f"{' / '.join(names)} : "

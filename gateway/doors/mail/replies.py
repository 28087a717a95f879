"""What the SMTP door says by itself: only for framing, size, back-pressure and a lost operator (design §8).

ASCII French for the vendor; ``Socle`` in each text tells the door's replies from the operator's.
"""
from __future__ import annotations

from connectors.mssante.codes import Reply


def _say(code: int, text: str) -> Reply:
    return Reply(code, (text,))


def wire(reply: Reply) -> bytes:
    last = len(reply.lines) - 1
    lines = (f"{reply.code}{' ' if number == last else '-'}{text}\r\n" for number, text in enumerate(reply.lines))
    return "".join(lines).encode("ascii", "replace")


GREETING = _say(220, "localhost ESMTP passerelle Socle")
READY_FOR_TLS = _say(220, "2.0.0 Socle : commencez TLS")
BYE = _say(221, "2.0.0 Socle : au revoir")
FULL = _say(451, "4.3.1 Socle : journal plein, message non transmis ; renvoyez-le plus tard")
FULL_SESSION = _say(421, "4.3.1 Socle : journal plein, session refusee ; reconnectez-vous plus tard")
STOPPING = _say(421, "4.3.2 Socle : arret de la passerelle, reconnectez-vous")
IDLE = _say(421, "4.4.2 Socle : inactivite trop longue, session close")
NO_OPERATOR = _say(421, "4.4.1 Socle : operateur MSSante injoignable, rien n'a ete transmis ; reconnectez-vous plus tard")
OPERATOR_GONE = _say(421, "4.4.2 Socle : connexion avec l'operateur perdue ; reconnectez-vous")
IN_DOUBT = _say(451, "4.4.2 Socle : reponse de l'operateur non recue, etat inconnu ; renvoyez avec le meme Message-ID")
BARE_NEWLINE = _say(521, "5.5.2 Socle : CR ou LF isole, session close ; terminez chaque ligne par CRLF")
TOO_LONG = _say(500, "5.5.6 Socle : ligne trop longue, session close")
UNKNOWN = _say(502, "5.5.1 Socle : commande non prise en charge")
ORDER = _say(503, "5.5.1 Socle : envoyez EHLO d'abord")
TLS_ALREADY = _say(503, "5.5.1 Socle : TLS est deja actif")
TLS_ARGUMENT = _say(501, "5.5.4 Socle : STARTTLS n'a pas de parametre")
TLS_FIRST = _say(530, "5.7.0 Socle : envoyez STARTTLS d'abord")
NO_CERTIFICATE = _say(535, "5.7.8 Socle : certificat AUTH_CLI absent ou non depose ; presentez celui de la structure")
TLS_PIPELINED = _say(554, "5.5.0 Socle : donnees recues derriere STARTTLS, session close")
HEADERS_TOO_LONG = _say(554, "5.6.0 Socle : en-tetes de plus de 64 Kio, message non transmis, session close")
TOO_LARGE = _say(552, "5.3.4 Socle : message plus grand que la limite de l'operateur, non transmis, session close")

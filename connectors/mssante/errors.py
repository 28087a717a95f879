"""What can go wrong when a message is submitted to an operator."""
from __future__ import annotations

from connectors.mssante.codes import Reply


class SubmissionError(Exception):
    """The operator refused or failed to take the message.

    SubmissionError
      |- Refused      it answered no, at ``stage``; ``reply`` is its own answer
      |    `- TokenRefused   535: evict the token, take a fresh one, try once more (mssante §5.3)
      |- Unavailable  the message never left: connection, TLS or dialogue broken before the end of data
      `- InDoubt      the whole message left and no answer was read: it may or may not be held
    """


class Refused(SubmissionError):
    def __init__(self, stage: str, reply: Reply) -> None:
        super().__init__(f"{stage}: {reply.service_code}")
        self.stage = stage  # "connect", "auth", "mail", "rcpt", "data", "end"
        self.reply = reply


class TokenRefused(Refused):
    pass


class Unavailable(SubmissionError):
    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason  # "connect", "timeout", "closed", "tls"


class InDoubt(SubmissionError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"end: {reason}")
        self.reason = reason  # "timeout", "closed"

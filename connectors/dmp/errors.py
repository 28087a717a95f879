"""What the DMP can answer that is not the thing asked for."""
from __future__ import annotations


class DmpError(Exception):
    """The DMP did not answer the question.

    DmpError
      |- DmpFault       a SOAP fault: frame, VIHF, certificate or rights (reference dmp §15)
      `- DmpUnreadable  an answer that is not what the transaction promises
    """


class DmpFault(DmpError):
    """``code`` is Sender or Receiver, ``subcode`` the DMP's own word without its prefix, ``text`` its reason, verbatim."""

    def __init__(self, code: str, subcode: str | None, text: str) -> None:
        super().__init__(f"{code} {subcode or ''}".strip())
        self.code = code
        self.subcode = subcode
        self.text = text


class DmpUnreadable(DmpError):
    """``reason`` is a stable word for the log; the answer itself is not repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

"""The whole sandbox inside a vendor's own tests (docs/embarquer.md): a context manager here, a pytest plugin in ``plugin``."""
from gateway.embedding.sandbox import Certificate, ControlRefused, Sandbox, socle_sandbox

__all__ = ["Certificate", "ControlRefused", "Sandbox", "socle_sandbox"]

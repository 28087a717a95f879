"""The fixtures of the plugin, as a vendor's tests get them."""
from gateway.embedding.plugin import socle_sandbox, socle_sandbox_processes

__all__ = ["socle_sandbox", "socle_sandbox_processes"]

"""A real operator: Dovecot's submission proxy with XOAUTH2, and EXTERNAL by certificate, before a plain sink, on loopback."""
from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiosmtpd.controller import Controller

from connectors.wire.serving import bind_loopback
from tests.mocks.mssante.bench import pki

CONFIGURATION = """
base_dir = {root}/run
state_dir = {root}/run
log_path = {root}/dovecot.log
protocols = submission
listen = 127.0.0.1
hostname = operateur.test
default_login_user = dovenull
default_internal_user = dovecot
first_valid_uid = 0
first_valid_gid = 0
mail_uid = dovecot
mail_gid = dovecot
mail_location = maildir:{root}/mail/%u
ssl = required
ssl_min_protocol = TLSv1.2
ssl_cert = <{cert}
ssl_key = <{key}
ssl_ca = <{trusted}
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
disable_plaintext_auth = yes
auth_mechanisms = xoauth2 external
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {root}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
userdb {{
  driver = static
  args = allow_all_users=yes uid=dovecot gid=dovecot home={root}/mail/%u
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_ssl = no
submission_max_mail_size = 10M
"""
OAUTH2 = """
introspection_mode = post
introspection_url = http://rs:secret@127.0.0.1:{port}/introspect
force_introspection = yes
username_attribute = email
active_attribute = active
active_value = true
"""


class Sink:
    """The MTA behind the operator: keeps what it accepts, refuses one address."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address.startswith("inconnue@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.kept.append(envelope)
        return "250 2.0.0 queued"


class _Introspection(BaseHTTPRequestHandler):
    """RFC 7662: the only live token is « jeton », for the mailbox named by the server."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        live = form.get("token") == ["jeton"]
        body = orjson.dumps({"active": live, "email": self.server.mailbox} if live else {"active": False})  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _introspection(mailbox: str) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Introspection)
    server.mailbox = mailbox  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def _free_port() -> int:
    with bind_loopback(0) as sock:
        return int(sock.getsockname()[1])


@dataclass
class Operator:
    port: int
    sink: Sink
    log: Path
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the test bench calls for each connection to the operator: bytes go to Dovecot and back, untouched."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


@contextlib.asynccontextmanager
async def operator(dovecot: str, root: Path, mailbox: str) -> AsyncIterator[Operator]:
    files, port, sink = pki(), _free_port(), Sink()
    relay = Controller(sink, hostname="127.0.0.1", port=_free_port(), enable_SMTPUTF8=False)
    relay.start()
    for folder in ("run", "mail"):
        (root / folder).mkdir()
    os.chmod(root, 0o755)  # noqa: PTH101
    with _introspection(mailbox) as introspection:
        (root / "oauth2.conf").write_text(OAUTH2.format(port=introspection))
        (root / "trusted.pem").write_bytes(files["ca"].read_bytes() + files["crl"].read_bytes())
        (root / "dovecot.conf").write_text(
            CONFIGURATION.format(
                root=root, cert=files["cert"], key=files["key"], port=port, relay=relay.port, trusted=root / "trusted.pem"
            )
        )
        process = await asyncio.create_subprocess_exec(
            dovecot, "-F", "-c", str(root / "dovecot.conf"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            await _ready(process, port)
            yield Operator(port, sink, root / "dovecot.log")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            relay.stop()


async def _ready(process: asyncio.subprocess.Process, port: int) -> None:
    for _ in range(200):
        if process.returncode is not None:
            assert process.stdout is not None
            raise AssertionError((await process.stdout.read()).decode())
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise AssertionError("dovecot does not listen")

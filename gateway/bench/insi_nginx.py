"""The limit of `socle bench insi`: Debian's nginx, one process, with the TLS that ours has on each side.

It relays to the same simulated service, or answers by itself the bytes that this service gave.
"""
from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.bench.insi_rig import Rig
from gateway.bench.processes import BenchFailed
from gateway.supervise import last_line

_STARTS_S = 10.0

_CONF = """
daemon off; master_process off; pid "{folder}/nginx.pid"; error_log "{folder}/error.log" warn;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 10000000; default_type "application/soap+xml; charset=utf-8";
    client_body_temp_path "{folder}/body"; proxy_temp_path "{folder}/proxy"; fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi"; scgi_temp_path "{folder}/scgi";
    ssl_certificate "{cert}"; ssl_certificate_key "{key}"; ssl_client_certificate "{ca}"; ssl_crl "{crl}";
    ssl_verify_depth 3; ssl_session_tickets off;
    upstream service {{ server 127.0.0.1:{mock}; keepalive 64; keepalive_requests 10000000; }}
    server {{
        listen 127.0.0.1:{relay} ssl; ssl_verify_client on;
        location / {{
            proxy_pass https://service; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_ssl_certificate "{own_cert}"; proxy_ssl_certificate_key "{own_key}";
            proxy_ssl_trusted_certificate "{ca}"; proxy_ssl_verify on; proxy_ssl_verify_depth 3;
            proxy_ssl_name localhost; proxy_ssl_server_name on;
        }}
    }}
    server {{ listen 127.0.0.1:{mutual} ssl; ssl_verify_client on; return 200 '{answer}'; }}
    server {{ listen 127.0.0.1:{plain}; return 200 '{answer}'; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """``relay``: URL of what passes calls on; ``mutual``, ``plain``: of what answers them by itself."""

    pid: int
    relay: str
    mutual: str
    plain: str


@asynccontextmanager
async def nginx(rig: Rig, answer: bytes) -> AsyncIterator[Nginx | None]:
    """None where it is not installed. ``answer``: the body that it gives by itself. Raises BenchFailed when it does not start."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield None
        return
    folder, ports = rig.data / "nginx", _free(3)
    folder.mkdir()
    conf = folder / "nginx.conf"
    conf.write_text(_conf(rig, folder, ports, answer.decode()))
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log"), stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await _listens(ports[-1], folder / "error.log")
        yield Nginx(
            process.pid, f"https://localhost:{ports[0]}", f"https://localhost:{ports[1]}", f"http://127.0.0.1:{ports[2]}"
        )
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            process.terminate()
        await process.wait()


def _conf(rig: Rig, folder: Path, ports: list[int], answer: str) -> str:
    pki, (cert, key) = rig.manifest["pki"], rig.identity
    return _CONF.format(
        folder=folder, cert=rig.path(pki["server"]["cert"]), key=rig.path(pki["server"]["key"]), ca=rig.path(pki["ca"]),
        crl=rig.path(pki["crl"]), own_cert=cert, own_key=key, mock=rig.supervisor.ports["mock-insi"],
        relay=ports[0], mutual=ports[1], plain=ports[2], answer=_quoted(answer),
    )  # fmt: skip


def _quoted(text: str) -> str:
    """As nginx reads it between quotes; it has no way to write a dollar, which no answer of ours holds."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _free(count: int) -> list[int]:
    """Ports that nobody had a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


async def _listens(port: int, errors: Path) -> None:
    until = time.monotonic() + _STARTS_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > until:
                raise BenchFailed(f"nginx n'a pas démarré. {last_line(errors)}") from None
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return

"""Debian's nginx in front of two gateways, on free ports: own doors by proxy_pass, TLS doors and SMTP passed through."""
from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_DEBIAN = "nginx-light libnginx-mod-stream"
#: What a balancer sees as bytes only: the client's certificate must reach the gateway.
PASSED = ("insi", "dmp", "psc", "smtp")
_STARTS_S = 10.0

_CONF = """
load_module {stream};
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream console {{ {console} }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://console; proxy_http_version 1.1; }} }}
}}
stream {{ {passed} }}
"""
_PASSED = "upstream {name} {{ {servers} }} server {{ listen 127.0.0.1:{port}; proxy_pass {name}; proxy_connect_timeout 2s; }}"


def program() -> str:
    """Skips the test when it is absent, fails it when CI should have installed it."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is not None and _STREAM.exists():
        return found
    if os.environ.get("CI"):
        pytest.fail(f"nginx is not installed: apt-get install {_DEBIAN}")
    pytest.skip(f"nginx is not installed (Debian: {_DEBIAN})")


@contextlib.contextmanager
def in_front_of(gateways: Sequence[Mapping[str, int]], folder: Path) -> Iterator[dict[str, int]]:
    """``gateways``: the ports of each; the ports where nginx takes their place."""
    command, names = program(), ("console", *PASSED)
    ports = dict(zip(names, _free(len(names)), strict=True))

    def servers(name: str) -> str:
        return " ".join(f"server 127.0.0.1:{one[name]};" for one in gateways)

    passed = "\n".join(_PASSED.format(name=name, servers=servers(name), port=ports[name]) for name in PASSED)
    folder.mkdir()
    conf = folder / "nginx.conf"
    conf.write_text(
        _CONF.format(stream=_STREAM, folder=folder, console=servers("console"), port=ports["console"], passed=passed)
    )
    with subprocess.Popen([command, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]) as process:
        try:
            _listens(ports["console"])
            yield ports
        finally:
            process.terminate()


def _free(count: int) -> list[int]:
    """Ports that nobody had a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _listens(port: int) -> None:
    until = time.monotonic() + _STARTS_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return

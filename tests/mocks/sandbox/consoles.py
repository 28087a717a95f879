"""A gateway's console as the control API sees it: it keeps what it was told."""
from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import TracebackType
from typing import Any

import orjson


class Gateway:
    """Every POST is kept in ``told`` as (path, admin key, JSON) and answered with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.told: list[tuple[str, str | None, Any]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gateway.told.append((self.path, self.headers["X-Socle-Admin-Key"], orjson.loads(body)))
                answer = orjson.dumps({"detail": "Des appels sont en cours."})
                self.send_response(gateway.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return self.server.server_port

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

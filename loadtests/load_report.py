"""What a load run leaves: counts, latencies against thresholds, the machine and what the generator itself cost."""
from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from loadtests.failures import NO_ANSWER, NO_CONNECTION
from loadtests.sent import SentFile
from loadtests.thresholds import exceeded, latency_table, shipped


def write_report(run: Path, sent: SentFile, took_s: float, *, killed: bool = False) -> dict[str, Any]:
    """Write ``summary.json``: sent, failures {reason: n}, requests_per_second, latencies_ms, thresholds, machine.

    killed  the gateway is killed on the way: calls without an answer or a connection are then expected, judged by no threshold
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    number, table = sum(sent.sent.values()), latency_table(sent.latencies_ms)
    failed = sum(n for why, n in sent.failures.items() if not (killed and why in (NO_ANSWER, NO_CONNECTION)))
    summary = {
        "sent": dict(sorted(sent.sent.items())),
        "failures": dict(sorted(sent.failures.items())),
        "requests_per_second": round(number / took_s, 1),
        "took_s": round(took_s, 1),
        "latencies_ms": table,
        "mean_body_bytes": sent.mean_body_bytes(),
        "thresholds_exceeded": exceeded(table, number, failed, shipped()),
        "generator_cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "machine": machine(),
    }
    (run / "summary.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    return summary


def machine() -> dict[str, Any]:
    """The machine and the versions that matter to whoever reads the figures."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "python": platform.python_version(),
        "socle": version("socle"),
        "locust": version("locust"),
        "note": "générateur, passerelle et services simulés partagent cette machine",
    }

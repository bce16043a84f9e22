"""requirements.txt is what uv.lock says, without asking uv or the network."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Package = Mapping[str, Any]


def locked() -> list[Package]:
    return list(tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"])


def required() -> dict[tuple[str, str], set[str]]:
    """Hashes of each (name, version) of requirements.txt."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if match := re.match(r"([a-z0-9.-]+)==(\S+)", line):
            hashes = found.setdefault((match[1], match[2]), set())
        elif match := re.search(r"--hash=(sha256:[0-9a-f]{64})", line):
            hashes.add(match[1])
    return found


def reached(packages: Iterable[Package]) -> Iterator[Package]:
    """Everything that an installation of foretell without extras may need."""
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    waiting: list[tuple[str, str, str]] = [("foretell", "", "")]
    seen: set[tuple[str, str, str]] = set()
    while waiting:
        step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        name, version, extra = step
        for package in by_name[name]:
            if version and package["version"] != version:
                continue
            if name != "foretell":
                yield package
            needs = list(package.get("dependencies", ()))
            needs += package.get("optional-dependencies", {}).get(extra, ())
            for need in needs:
                for wanted in ["", *need.get("extra", ())]:
                    waiting.append((need["name"], need.get("version", ""), wanted))


def test_requirements_list_the_packages_of_the_lock() -> None:
    wanted = {(p["name"], p["version"]) for p in reached(locked())}
    assert set(required()) == wanted, "run: make requirements"


def test_every_requirement_has_the_hashes_of_the_lock() -> None:
    files = {
        (p["name"], p["version"]): {
            file["hash"] for file in [*p.get("wheels", ()), p.get("sdist")] if file
        }
        for p in locked()
    }
    for package, hashes in required().items():
        assert hashes, f"{package} has no hash"
        assert hashes <= files[package], "run: make requirements"

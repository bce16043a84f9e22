"""The figures as a table, and the ratios that count."""

from benchmarks.crud.contenders import LIMIT, PEERS
from benchmarks.crud.measuring import ROUTES, Figures

Medians = dict[tuple[str, str, int], Figures]
_PEERS = [peer.name for peer in PEERS]


def show(figures: Medians, trips: dict[str, Figures]) -> None:
    names = list(dict.fromkeys(name for name, _, _ in figures))
    routes = [r for r in ROUTES if any(route == r for _, route, _ in figures)]
    for title, key, connections, digits in (
        ("Requests/s, 16 connections", "per_second", 16, 0),
        ("Requests/s, 64 connections", "per_second", 64, 0),
        ("Server CPU µs per request, 16 connections", "cpu_us", 16, 0),
        ("PostgreSQL CPU µs per request, 16 connections", "database_us", 16, 0),
        ("Requests that failed, %, 16 connections", "failed_percent", 16, 1),
        ("Requests that failed, %, 64 connections", "failed_percent", 64, 1),
        ("p50 ms, 16 connections", "p50_ms", 16, 1),
        ("p99 ms, 16 connections", "p99_ms", 16, 1),
        ("p50 ms, 64 connections", "p50_ms", 64, 1),
        ("p99 ms, 64 connections", "p99_ms", 64, 1),
    ):
        rows = {
            name: [
                figures.get((name, route, connections), {}).get(key) for route in routes
            ]
            for name in names
        }
        _print(title, routes, rows, digits)
    if trips:
        _print(
            "Round trips to the database per request",
            routes,
            {name: [found[route] for route in routes] for name, found in trips.items()},
            1,
        )
    for name in names:
        if name != LIMIT.name and name not in _PEERS:
            _ratios(name, figures, routes)


def _print(
    title: str, routes: list[str], rows: dict[str, list[float | None]], digits: int
) -> None:
    known = [v for row in rows.values() for v in row if v is not None]
    if not known or ("failed" in title and not any(known)):
        return
    print(f"\n{title}\n{'':24}" + "".join(f"{route:>10}" for route in routes))
    for name, row in rows.items():
        cells = ("" if value is None else f"{value:,.{digits}f}" for value in row)
        print(f"{name:24}" + "".join(f"{cell:>10}" for cell in cells))


def _ratios(name: str, figures: Medians, routes: list[str]) -> None:
    def ratio(
        key: str, route: str, others: list[str], connections: int
    ) -> float | None:
        own = figures.get((name, route, connections))
        found = [
            figures[o, route, connections]
            for o in others
            if (o, route, connections) in figures
        ]
        return own[key] / max(f[key] for f in found) if own and found else None

    def tail(route: str) -> float | None:
        own = figures.get((name, route, 64))
        return own["p99_ms"] / own["p50_ms"] if own else None

    limit = [LIMIT.name]
    rows = {
        "requests/s / best peer": [ratio("per_second", r, _PEERS, 16) for r in routes],
        "requests/s / limit": [ratio("per_second", r, limit, 16) for r in routes],
        "server CPU / limit": [ratio("cpu_us", r, limit, 16) for r in routes],
        "PostgreSQL CPU / limit": [ratio("database_us", r, limit, 16) for r in routes],
        "p99 / p50 at 64": [tail(r) for r in routes],
    }
    _print(f"{name}: ratios", routes, rows, 2)

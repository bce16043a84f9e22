"""Projects that live beside Django or Flask in one process."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from foretell.builder.rendering import Files, import_block, render


@dataclass(frozen=True, slots=True)
class HostKind:
    """What a host needs.

    Attributes:
        untyped: Modules that mypy finds no types for.
        application: The expression that is mounted at `/`.
        setup: Lines before it.
    """

    words: str = ""
    dependencies: tuple[str, ...] = ()
    untyped: list[str] = field(default_factory=list)
    application: str = ""
    imports: tuple[str, ...] = ()
    setup: str = ""


HOSTS = {
    "fastapi": HostKind(),
    "django": HostKind(
        words="Django",
        dependencies=("django>=5.2",),
        untyped=["django.*"],
        application="django_app",
        imports=("os:", "django.core.asgi.get_asgi_application"),
        setup='\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "{package}.site.settings")'
        "\ndjango_app = get_asgi_application()\n",
    ),
    "flask": HostKind(
        words="Flask",
        dependencies=("a2wsgi>=1.10", "flask>=3.1"),
        application="flask_app",
        imports=(
            "typing.Any",
            "typing.cast",
            "a2wsgi.WSGIMiddleware",
            "{package}.site.pages.site",
        ),
        setup="\n# a2wsgi has narrower types for WSGI and ASGI than Flask and Starlette."
        "\nflask_app: Any = WSGIMiddleware(cast(Any, site))\n",
    ),
}


def host_files(package: str, host: str) -> Files:
    """The site, `asgi.py` with both, and a test of both."""
    kind = HOSTS[host]
    imports = {
        "foretell.mount.mount_in_starlette",
        "starlette.applications.Starlette",
        "starlette.routing.Mount",
        f"{package}.app.foretell_app",
        *(name.format(package=package) for name in kind.imports),
    }
    tested = {
        "importlib.import_module",
        "pytest:",
        "httpx2.ASGITransport",
        "httpx2.AsyncClient",
        "foretell.Settings",
    }
    return {
        PurePosixPath(package, "asgi.py"): render(
            "asgi.py",
            imports=import_block(imports, package),
            setup=kind.setup.format(package=package),
            host_app=kind.application,
            host_words=kind.words,
        ),
        PurePosixPath("tests", "test_both.py"): render(
            "host_test.py",
            imports=import_block(tested),
            package=package,
            host_words=kind.words,
        ),
        **_site(package, host),
    }


def _site(package: str, host: str) -> Files:
    site = PurePosixPath(package, "site")
    if host == "flask":
        return {site / "pages.py": render("flask_site.py")}
    return {
        PurePosixPath("manage.py"): render("manage.py", package=package),
        site / "settings.py": render("django_settings.py", package=package),
        site / "urls.py": render("django_urls.py"),
    }

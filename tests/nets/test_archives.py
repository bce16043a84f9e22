"""Zip archives that no tool writes for a model are refused before anything is read."""

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from foretell.models.gate.archives import Archive, names_in_head
from foretell.models.gate.containers import BadContainer

from .editing import real


def packed(*names: str, data: bytes = b"x", **options) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice, on purpose
        for name in names:
            target.writestr(name, data)
    return out.getvalue()


def linked() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        info = zipfile.ZipInfo("a/data.pkl")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(info, "/etc/passwd")
    return out.getvalue()


def overlapping() -> bytes:
    """Two entries of the list that point to the same packed bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a", b"0" * 200_000)
        target.writestr("b", b"x")
        whole, again = target.infolist()
        again.header_offset = whole.header_offset
        again.compress_size, again.file_size = whole.compress_size, whole.file_size
        again.CRC = whole.CRC
    return out.getvalue()


BAD = {
    "above": packed("../evil.pkl"),
    "above inside": packed("a/../../evil.pkl"),
    "absolute": packed("/etc/cron.d/evil"),
    "drive": packed("C:/evil"),
    "backslash": packed("a").replace(b"a", b"\\"),
    "control": packed("a\nb"),
    "twice": packed("a", "a"),
    "twice but for case": packed("a/Data.pkl", "a/data.pkl"),
    "empty part": packed("a//data.pkl"),
    "link": linked(),
    "bomb": packed("a", data=bytes(200 << 20), compression=zipfile.ZIP_DEFLATED),
    "unusual packing": packed("a", data=b"x" * 99, compression=zipfile.ZIP_LZMA),
    "no archive": b"PK\x03\x04 and nothing else",
    "cut off": packed("a", data=b"x" * 5000)[:3000],
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_an_odd_archive_is_refused(name: str, tmp_path: Path):
    path = tmp_path / "artifact"
    path.write_bytes(BAD[name])
    with pytest.raises(BadContainer):
        Archive(path)


def test_members_that_share_bytes_are_refused(tmp_path: Path):
    path = tmp_path / "artifact"
    path.write_bytes(overlapping())
    with pytest.raises(BadContainer, match=r"overlap|broken"), Archive(path) as found:
        found.read("b", 1 << 20)


def test_a_member_is_read_within_its_limit(tmp_path: Path):
    path = tmp_path / "artifact"
    path.write_bytes(packed("a", data=b"x" * 100))
    with Archive(path) as found:
        assert found.read("a", 100) == b"x" * 100
        with pytest.raises(BadContainer, match="more than 99 bytes"):
            found.read("a", 99)
        with pytest.raises(BadContainer, match="no member"):
            found.read("b", 99)


def test_damaged_bytes_are_noticed(tmp_path: Path):
    path = tmp_path / "artifact"
    path.write_bytes(packed("a", data=b"hello world").replace(b"world", b"w0rld"))
    with Archive(path) as found, pytest.raises(BadContainer, match="broken"):
        found.read("a", 100)


@pytest.mark.parametrize(
    ("name", "first"),
    [("net.pt2", "data/"), ("script.pt", "data"), ("net.keras", "metadata.json")],
)
def test_the_first_bytes_tell_the_first_names(name: str, first: str):
    assert any(first in found for found in names_in_head(real(name)[:4096]))

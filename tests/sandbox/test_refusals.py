from hypothesis import given
from hypothesis.strategies import text

from foretell.errors import Invalid, Throttled
from foretell.sandbox.errors import ChildFailed, ChildOutOfMemory
from foretell.sandbox.messages import Refusal
from foretell.sandbox.refusals import rebuild, redact, refusal


def refused(error_class: str, **attributes: object) -> Refusal:
    return Refusal(error_class, "slug", "detail", [], {}, attributes)


def test_an_error_of_an_area_survives():
    error = rebuild(refusal(ChildOutOfMemory(3 << 20)))
    assert type(error) is ChildOutOfMemory
    assert error.context == {"limit_bytes": 3 << 20}
    assert "3 MiB" in str(error)


def test_a_child_cannot_name_a_class_that_is_no_error_of_ours():
    for name in (
        "builtins:SystemExit",
        "foretell.errors:FieldError",
        "foretell.errors:Mapping",
        "foretell.sandbox.pool:Sandbox",
        "foretell.errors.x:Invalid",
        "xforetell.errors:Invalid",
        "foretell.no_such_area.errors:Lost",
        "foretell.errors:ForetellError.__init__",
        "",
    ):
        assert type(rebuild(refused(name))) is ChildFailed


def test_a_child_cannot_change_what_the_class_says():
    error = rebuild(refused("foretell.errors:Invalid", slug="x", __class__=1, extra=2))
    assert type(error) is Invalid
    assert error.slug == "invalid"
    assert vars(error)["extra"] == 2


def test_an_error_without_the_attributes_of_its_class_is_not_believed():
    throttled = "foretell.errors:Throttled"
    assert type(rebuild(refused(throttled))) is ChildFailed
    evil = refused(throttled, retry_after_seconds="1\r\nSet-Cookie: x")
    assert type(rebuild(evil)) is ChildFailed
    assert type(rebuild(refused(throttled, retry_after_seconds=1))) is Throttled


def test_paths_are_left_out_of_messages():
    assert redact("open '/srv/a b' or ~/x, C:\\tmp\\y") == (
        "open '<path> b' or <path>, <path>"
    )
    assert redact("text/csv and 1/2 stay") == "text/csv and 1/2 stay"


@given(text())
def test_a_redacted_message_has_no_control_characters_and_is_short(message):
    redacted = redact(message)
    assert len(redacted) <= 4 * 500
    assert not any(ord(character) < 32 for character in redacted)


@given(text(alphabet="abc/.", min_size=1).map(lambda tail: "/srv/" + tail))
def test_no_absolute_path_stays_in_a_message(path):
    assert "/srv/" not in redact(f"cannot open {path}")

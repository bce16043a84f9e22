"""Whether a query of a user's is one SELECT that changes nothing.

This is the first of two walls: the statement also runs in a read-only transaction, as
the user that the connection names. It errs on the side of refusing: an unquoted column
called `update` has to be written in quotes.
"""

import re

from foretell.connections.errors import QueryNotReadOnly

MAX_CHARACTERS = 20_000
# A backslash before a quote ends the text on one database and not on another, and so
# do dollar quotes, `--` without a space and, in MySQL, `#`: what two servers read
# differently is refused, since words could hide in it.
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--(?=\s|$)[^\n]*|/\*(?!!|M!)(?:[^*]|\*(?!/))*\*/)
  | (?P<text>'(?:[^'\\]|''|\\(?!'))*')
  | (?P<name>"(?:[^"\\]|""|\\(?!"))*"|`(?:[^`]|``)*`)
  | (?P<dollar>\$\w*\$)
  | (?P<word>[^\W\d]\w*)
  | (?P<end>;)
  | (?P<other>[^'"`;])
    """,
    re.VERBOSE,
)
_FIRST = frozenset({"select", "with", "values", "table"})
_CHANGES = frozenset(
    [
        "alter",
        "analyze",
        "attach",
        "begin",
        "call",
        "comment",
        "commit",
        "copy",
        "create",
        "deallocate",
        "declare",
        "delete",
        "detach",
        "discard",
        "do",
        "drop",
        "execute",
        "explain",
        "grant",
        "handler",
        "import",
        "insert",
        "install",
        "into",
        "listen",
        "load",
        "lock",
        "merge",
        "notify",
        "outfile",
        "dumpfile",
        "pragma",
        "prepare",
        "refresh",
        "reindex",
        "rename",
        "replace",
        "reset",
        "revoke",
        "rollback",
        "savepoint",
        "set",
        "start",
        "truncate",
        "unlisten",
        "unlock",
        "update",
        "vacuum",
        "xa",
    ]
)
# They reach files, other servers, other sessions or settings from within a SELECT.
_FUNCTIONS = re.compile(
    r"^(?:pg_read_|pg_ls_|pg_stat_file$|pg_terminate_|pg_cancel_|pg_reload_|pg_rotate_"
    r"|pg_switch_|pg_create_|pg_drop_|pg_logical_|pg_replication_|pg_advisory_"
    r"|pg_try_advisory_|pg_sleep|pg_promote$|pg_backup_|pg_file_|lo_|dblink|query_to_xml"
    r"|database_to_|schema_to_|table_to_xml|cursor_to_xml|xpath_table$|set_config$"
    r"|load_file$|load_extension$|readfile$|writefile$|edit$|fts3_tokenizer$"
    r"|sys_exec$|sys_eval$|benchmark$|sleep$|get_lock$|master_pos_wait$|setval$|nextval$)"
)
# Functions that share a name with a statement.
_CALLED = frozenset({"replace", "insert"})


def demand_read_only(query: str, kind: str) -> str:
    """The query without a final semicolon, if it is one read-only SELECT.

    Args:
        kind: Of the connection, since dialects differ in what a comment is.

    Raises:
        QueryNotReadOnly: With the word that is not.
    """
    text = query.strip()
    if not text or len(text) > MAX_CHARACTERS:
        raise QueryNotReadOnly(f"it has 1 to {MAX_CHARACTERS} characters")
    if "\x00" in text:
        raise QueryNotReadOnly("it holds a NUL character")
    words, ended, place = 0, False, 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise QueryNotReadOnly("a quote or comment is not closed")
        part, place = found.lastgroup, found.end()
        if part in ("space", "comment"):
            continue
        if part == "dollar" or (kind == "mysql" and found.group() == "#"):
            raise QueryNotReadOnly(f"it holds {found.group()[:20]}")
        if found.group() == "/" and text[place : place + 1] == "*":
            raise QueryNotReadOnly("it holds a comment that is run")
        if ended:
            raise QueryNotReadOnly("it is more than one statement")
        ended = part == "end"
        if part == "word":
            _demand_harmless(found.group().lower(), words, text[place : place + 40])
            words += 1
        elif words == 0 and found.group() != "(":
            raise QueryNotReadOnly("it begins with neither SELECT nor WITH")
    if not words:
        raise QueryNotReadOnly("it says nothing")
    # A line comment at the end would hide what is put around the query.
    return text.rstrip().rstrip(";") + "\n"


def _demand_harmless(word: str, index: int, following: str) -> None:
    if index == 0 and word not in _FIRST:
        raise QueryNotReadOnly(f"it begins with {word[:30].upper()}")
    if word in _CALLED and following.lstrip().startswith("("):
        return
    if word in _CHANGES:
        raise QueryNotReadOnly(f"it holds the word {word.upper()}")
    if _FUNCTIONS.match(word):
        raise QueryNotReadOnly(f"it calls {word[:40]}")
